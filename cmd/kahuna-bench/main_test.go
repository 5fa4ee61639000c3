package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestWorkloads runs each workload for a moment in both spaces: scripts
// succeed and none fails.
func TestWorkloads(t *testing.T) {
	file := filepath.Join(t.TempDir(), "own.kh")
	if err := os.WriteFile(file, []byte("set @key @n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"set", "get", "cas", "leaky-bucket", "inventory", "counter", "session", "transfer", "script"} {
		for _, ephemeral := range []bool{false, true} {
			f := &flags{Concurrency: 4, Duration: 30 * time.Millisecond, Keys: 50, ValueSize: 10, Ephemeral: ephemeral,
				Seed: 1, Script: scriptCmd{File: file}}
			if ephemeral {
				f.Rate = 2000
			}
			var out bytes.Buffer
			r, err := once(name, f)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if r.Failed != 0 || r.P50 <= 0 || r.P50 > r.Max {
				t.Errorf("%s: %+v (%v)", name, r, r.firstError)
			}
			if err := r.print(&out, true); err != nil || !json.Valid(out.Bytes()) {
				t.Errorf("%s: %v %s", name, err, out.String())
			}
		}
	}
}

func once(name string, f *flags) (*result, error) {
	w, err := newWorkload(name, f)
	if err != nil {
		return nil, err
	}
	db, err := openStore(f.Embedded)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	if err := w.prepare(context.Background(), db); err != nil {
		return nil, err
	}
	return measure(context.Background(), f, db, w, io.Discard)
}
