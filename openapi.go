// Package orchestrator holds the contract of the service, openapi.yaml, from which
// the server's and the client's code is generated.
package orchestrator

import _ "embed"

//go:generate go tool -modfile=tools/oapi-codegen.mod oapi-codegen -config api/oapi-codegen.yaml openapi.yaml
//go:generate go tool -modfile=tools/oapi-codegen.mod oapi-codegen -config client/oapi-codegen.yaml openapi.yaml

// OpenAPI is openapi.yaml, as the service serves it.
//
//go:embed openapi.yaml
var OpenAPI []byte
