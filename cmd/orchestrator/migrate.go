package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/cirisai/orchestrator/internal/persistence"
)

// migrateCommand is `orchestrator migrate`.
type migrateCommand struct {
	Up     migrateUp     `cmd:"" help:"Bring the schema up to this version. Safe while other replicas start."`
	Status migrateStatus `cmd:"" help:"Say which migrations the database has; exit code 1 when some are missing."`
}

type databaseFlag struct {
	DatabaseURL *string `help:"ORCHESTRATOR_DATABASE_URL (sqlite:orchestrator.db)." placeholder:"URL"`
}

func (d databaseFlag) open(ctx context.Context, con *console) (*persistence.Store, error) {
	r := &reader{flags: map[string]*string{"ORCHESTRATOR_DATABASE_URL": d.DatabaseURL}}
	url := r.database()
	if r.err != nil {
		return nil, r.err
	}
	return persistence.Open(ctx, url, persistence.Options{Logger: slog.New(slog.NewTextHandler(con.err, nil))})
}

type migrateUp struct{ databaseFlag }

// Run migrates.
func (c *migrateUp) Run(ctx context.Context, con *console) (err error) {
	store, err := c.open(ctx, con)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if _, err := store.Migrate(ctx); err != nil {
		return err
	}
	return printStatus(ctx, con, store)
}

type migrateStatus struct{ databaseFlag }

// Run prints the migrations.
func (c *migrateStatus) Run(ctx context.Context, con *console) (err error) {
	store, err := c.open(ctx, con)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return printStatus(ctx, con, store)
}

func printStatus(ctx context.Context, con *console, store *persistence.Store) error {
	migrations, err := store.Status(ctx)
	if err != nil {
		return err
	}
	missing := false
	for _, m := range migrations {
		state := "applied"
		if m.AppliedAt.IsZero() {
			state, missing = "missing", true
		}
		if _, err := fmt.Fprintf(con.out, "%05d %-8s %s\n", m.Version, state, m.Name); err != nil {
			return err
		}
	}
	if missing {
		return exitCode(1)
	}
	return nil
}
