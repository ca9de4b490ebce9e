# syntax=docker/dockerfile:1

FROM golang:1.26-bookworm AS build
ENV CGO_ENABLED=0 GOTOOLCHAIN=local
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -ldflags '-s -w' -o /out/orchestrator ./cmd/orchestrator
# The next image has no shell to make a directory with.
RUN mkdir -p /out/data

# Nothing but certificates, time zones and a user without rights.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /out/orchestrator /usr/local/bin/orchestrator
COPY --from=build --chown=nonroot:nonroot /out/data /data
# The embedded database outlives the container in this volume.
VOLUME /data
ENV ORCHESTRATOR_DATABASE_URL=sqlite:/data/orchestrator.db
USER nonroot
EXPOSE 8080
# There are no tokens yet, so the service listens on loopback only, which in a container is the container's own. To be
# reached it needs the host's network: docker run --network host.
ENTRYPOINT ["/usr/local/bin/orchestrator"]
CMD ["serve"]
