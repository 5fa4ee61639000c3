package kahuna

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// warnings keeps what an operator would be told.
type warnings struct {
	mu   sync.Mutex
	told []string
}

func (w *warnings) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }
func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, r.Message)
	return nil
}
func (w *warnings) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w *warnings) WithGroup(string) slog.Handler      { return w }

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := w.told
	w.told = nil
	return told
}

// TestOpenWarnsOfNothing: a store that is made, opened again, and opened after a
// crash has nothing to tell.
func TestOpenWarnsOfNothing(t *testing.T) {
	fs := vfs.NewCrashableMem()
	var w warnings
	for _, step := range []string{"first", "again", "after a crash"} {
		if step == "after a crash" {
			fs = fs.CrashClone(vfs.CrashCloneCfg{})
		}
		db, err := open("db", &Options{fs: fs, Logger: slog.New(&w)})
		if err != nil {
			t.Fatal(err)
		}
		mustRun(t, db, "set k 1", nil, nil)
		if step == "again" {
			defer db.Close()
		} else if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		if told := w.take(); len(told) > 0 {
			t.Errorf("%s: %q", step, told)
		}
	}
}
