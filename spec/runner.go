package spec

import (
	"context"
	"time"

	"kahuna/script"
)

// Request is one script to run.
type Request struct {
	Source string
	// Params are the parameters by name, with or without '@': string, nil,
	// bool, int64, float64, []byte, or []any of these.
	Params map[string]any
	// IdempotencyKey is empty for none.
	IdempotencyKey string
}

// Response is the answer: a Result, or an Err in which errors.As finds an
// *script.Error, never both.
type Response struct {
	Result *script.Result
	Err    error
}

// Runner is a store under test, empty at first.
type Runner interface {
	// Run runs one script and waits for its answer.
	Run(ctx context.Context, req Request) Response
	// Wait returns once the store's clock, as current_time() shows it, has
	// moved on by at least d. A store with a real clock calls WaitReal.
	Wait(ctx context.Context, d time.Duration) error
}

// WaitReal is Runner.Wait for a store whose clock is the machine's.
func WaitReal(ctx context.Context, d time.Duration) error {
	// A millisecond more, because the clock shows whole ones.
	timer := time.NewTimer(d + time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
