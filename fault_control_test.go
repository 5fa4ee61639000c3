package kahuna

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestFaultsCatches is the negative control of the fault campaign: it must find
// out a store that is broken on purpose.
func TestFaultsCatches(t *testing.T) {
	for name, broken := range map[string]tamper{
		"no sync":                                {disableSync: true},
		"acknowledged before the sync":           {wrap: syncingLog(syncLater)},
		"goes on after a failed sync":            {wrap: syncingLog(syncIgnored)},
		"result of a key in a commit of its own": {keyed: keyedApart},
		"result of a key forgotten":              {keyed: keyedForgotten},
		"unknown called not applied": {answer: func(err error) error {
			if e := (*Error)(nil); errors.As(err, &e) && e.Outcome == Unknown {
				return &Error{Code: CodeStorage, Message: e.Message}
			}
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= 300; seed++ {
				if _, err := runCampaign(t, seed, 1, broken); err != nil {
					first, _, _ := strings.Cut(err.Error(), "\n")
					t.Logf("found with seed %d, as it should be: %s", seed, first)
					return
				}
			}
			t.Error("the campaign did not notice")
		})
	}
}

// syncingLog returns a wrapper of file systems that syncs the log in a way of
// its own.
func syncingLog(sync func(f *logFile) error) func(vfs.FS) vfs.FS {
	return func(fs vfs.FS) vfs.FS { return &logFS{fs, sync} }
}

type logFS struct {
	vfs.FS
	sync func(f *logFile) error
}

// OpenReadWrite implements vfs.FS. The log opens all files so that it syncs
// often.
func (fs *logFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f, err := fs.FS.OpenReadWrite(name, c, opts...)
	if err != nil || !strings.Contains(name, "log/") {
		return f, err
	}
	return &logFile{File: f, sync: fs.sync}, nil
}

type logFile struct {
	vfs.File
	sync func(f *logFile) error
	owed bool
}

// SyncData implements vfs.File.
func (f *logFile) SyncData() error { return f.sync(f) }

// WriteAt implements vfs.File.
func (f *logFile) WriteAt(p []byte, off int64) (int, error) {
	if f.owed {
		f.owed = false
		if err := f.File.SyncData(); err != nil {
			return 0, err
		}
	}
	return f.File.WriteAt(p, off)
}

// syncLater puts the sync off until the next write.
func syncLater(f *logFile) error {
	f.owed = true
	return nil
}

// syncIgnored does not care for whether a sync failed.
func syncIgnored(f *logFile) error {
	_ = f.File.SyncData()
	return nil
}

// keyedApart runs requests with a key as a store does that remembers their
// results in a second commit.
func keyedApart(a *ask) {
	run := scriptAsk(a.source, "").run
	a.run = func(ctx context.Context, db *DB) (string, error) {
		if e, ok, err := db.Get(ctx, "first/"+a.key); ok || err != nil {
			return e.Value, err
		}
		got, err := run(ctx, db)
		if err == nil {
			_, err = db.Set(ctx, "first/"+a.key, got, nil)
		}
		return got, err
	}
}

// keyedForgotten runs them as a store does that remembers nothing.
func keyedForgotten(a *ask) {
	a.run = scriptAsk(a.source, "").run
}
