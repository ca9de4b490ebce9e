package memstore

import (
	"fmt"

	"github.com/cirisai/orchestrator/internal/engine"
)

// FaultKind is what goes wrong with one call of the store.
type FaultKind int

// The faults of a database, as its client sees them.
const (
	NoFault FaultKind = iota
	// FaultBefore: the call fails and nothing has happened.
	FaultBefore
	// FaultAfter: the call has happened, and is reported as failed: its answer
	// was lost.
	FaultAfter
	// FaultSerialization: a transaction's function is run, its changes are
	// thrown away, and it is run again. For calls without a function it is none.
	FaultSerialization
)

// fault asks for the fault of a call, by the name of its method.
func (s *Store) fault(op string) FaultKind {
	if s.Fault == nil {
		return NoFault
	}
	return s.Fault(op)
}

// unavailable is the error of a fault.
func unavailable(op string, kind FaultKind) error {
	if kind == FaultAfter {
		return fmt.Errorf("memstore: %s: the answer was lost: %w", op, engine.ErrUnavailable)
	}
	return fmt.Errorf("memstore: %s: no connection: %w", op, engine.ErrUnavailable)
}

// faulty runs a call under its fault.
func (s *Store) faulty(op string, call func() error) error {
	kind := s.fault(op)
	if kind == FaultBefore {
		return unavailable(op, kind)
	}
	if err := call(); err != nil {
		return err
	}
	if kind == FaultAfter {
		return unavailable(op, kind)
	}
	return nil
}
