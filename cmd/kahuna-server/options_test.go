package main

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"kahuna/internal/server/wire"
)

// TestLongestTransaction: the store lets the longest transaction of the original
// protocol live until the end of its grace.
func TestLongestTransaction(t *testing.T) {
	if got, least := options(slog.New(slog.NewTextHandler(io.Discard, nil))).Limits.TimeoutMax, 5*time.Minute+30*time.Second; got < least || wire.LongestLife < least {
		t.Errorf("the store ends it after %v, not %v", got, least)
	}
}
