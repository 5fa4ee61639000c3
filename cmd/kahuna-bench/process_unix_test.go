//go:build unix

package main

import (
	"errors"
	"syscall"
	"testing"
)

// expectNoProcess checks that this process has no child.
func expectNoProcess(t *testing.T) {
	t.Helper()
	if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
		t.Errorf("a process is left: %d, %v", pid, err)
	}
}
