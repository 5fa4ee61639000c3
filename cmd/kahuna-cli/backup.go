package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"kahuna"
	"kahuna/internal/answer"
)

// backupFlags are those of the command backup.
type backupFlags struct {
	Force bool   `help:"Replace the file when there is one."`
	File  string `arg:"" help:"File to write, - for standard output." complete:"file"`
}

// backup writes a backup of the store to a file or to standard output. A file
// is there under its name when it is complete and on disk, and not before.
func (c *cli) backup(ctx context.Context) int {
	o := &c.flags.Backup
	toStdout := o.File == "-"
	switch {
	case toStdout && c.flags.JSON:
		return c.usage("backup: --json and a backup both go to standard output: name a file")
	case toStdout && c.screen:
		return c.usage("backup: standard output is a terminal: name a file, or send it on: backup - | ...")
	case !toStdout:
		if err := checkTarget(o.File, o.Force); err != nil {
			return c.usage("backup: %v", err)
		}
	}
	// Opening would make one.
	if err := checkStore(c.flags.Embedded); err != nil {
		c.answerOpen(err)
		return exitOpen
	}
	return c.onStore(ctx, func(ctx context.Context) int {
		db, ok := c.db.(interface {
			Backup(context.Context, io.Writer) (kahuna.BackupInfo, error)
		})
		if !ok {
			return c.usage("backup: this store cannot be backed up from here")
		}
		write := func(w io.Writer) (kahuna.BackupInfo, error) {
			return db.Backup(ctx, &meter{w: w, told: c.now(), now: c.now, tell: c.progress("written")})
		}
		var info kahuna.BackupInfo
		var err error
		if toStdout {
			info, err = write(c.stdout)
		} else {
			info, err = writeFile(o.File, o.Force, write)
		}
		return c.transferred("backup", o.File, info, err)
	})
}

// transferred says what became of a backup or a restore, and returns the exit
// status.
func (c *cli) transferred(op, file string, info kahuna.BackupInfo, err error) int {
	if err != nil {
		err = interrupted(err)
		if c.flags.JSON {
			c.printJSON(answerJSON(nil, nil, err, 0))
		}
		fmt.Fprintf(c.stderr, "kahuna-cli: %v\n", err)
		return exitFailed
	}
	if c.flags.JSON {
		c.printJSON(jsonBackup{op, file, answer.UnixMilli(info.Time), answer.UnixMilli(info.Taken), info.Index, info.Rows, info.Versions, info.Results,
			info.RawBytes, info.Bytes})
	}
	last := "never written to"
	if !info.Time.IsZero() {
		last = "last written to at " + info.Time.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	fmt.Fprintf(c.stderr, "%s: %d rows, %d versions, %d results in %d bytes; %s\n", op, info.Rows, info.Versions,
		info.Results, info.Bytes, last)
	return exitOK
}

// jsonBackup is what backup and restore print with --json.
type jsonBackup struct {
	Op          string `json:"op"`
	File        string `json:"file"`
	TimestampMs int64  `json:"timestampMs"`
	TakenMs     int64  `json:"takenMs"`
	Index       uint64 `json:"index"`
	Rows        int64  `json:"rows"`
	Versions    int64  `json:"versions"`
	Results     int64  `json:"results"`
	RawBytes    int64  `json:"rawBytes"`
	Bytes       int64  `json:"bytes"`
}

// checkStore refuses a directory without a store.
func checkStore(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "rows")); errors.Is(err, fs.ErrNotExist) {
		return &kahuna.Error{Op: "open", Key: dir, Code: kahuna.CodeOpen, Message: "there is no store",
			Hint: "check the spelling"}
	}
	return nil // it is there, or opening it tells more
}

// checkTarget refuses a file that must not be replaced.
func checkTarget(name string, force bool) error {
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a directory, not a file", name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no ordinary file; write it with: backup - > %s", name, name)
	case !force:
		return fmt.Errorf("%s is there already; name another file, or add --force to replace it", name)
	}
	return nil
}

// writeFile makes a file of what write writes. A crash or an error leaves what
// was there before, and a crash perhaps a temporary file beside it.
func writeFile(name string, force bool, write func(io.Writer) (kahuna.BackupInfo, error)) (info kahuna.BackupInfo, err error) {
	f, err := createTemp(name)
	if err != nil {
		return info, err
	}
	info, err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = publish(f.Name(), name, force)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // gone when it has its name
		return info, err
	}
	return info, syncDir(filepath.Dir(name))
}

// publish gives a temporary file its name. Without force it never replaces a
// file, also not one that somebody has made meanwhile; but a file system
// without hard links leaves a moment for that.
func publish(temp, name string, force bool) error {
	if !force {
		err := os.Link(temp, name)
		switch {
		case err == nil:
			return os.Remove(temp)
		case errors.Is(err, fs.ErrExist):
			return checkTarget(name, false)
		}
		if err := checkTarget(name, false); err != nil {
			return err
		}
	}
	return os.Rename(temp, name)
}

// createTemp creates a new file beside name that no other user can read: a
// backup has everything that the store has.
func createTemp(name string) (*os.File, error) {
	for i := 0; ; i++ {
		f, err := os.OpenFile(fmt.Sprintf("%s.tmp-%d-%d", name, os.Getpid(), i), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
}

// syncDir makes the names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// meter counts what goes through it, and tells now and then.
type meter struct {
	w     io.Writer
	bytes int64
	told  time.Time
	now   func() time.Time
	tell  func(bytes int64)
}

// tellEvery is how often the progress is told.
const tellEvery = 5 * time.Second

// Write implements io.Writer.
func (m *meter) Write(p []byte) (int, error) {
	n, err := m.w.Write(p)
	m.bytes += int64(n)
	if now := m.now(); now.Sub(m.told) >= tellEvery {
		m.told = now
		m.tell(m.bytes)
	}
	return n, err
}

// now is the clock of the progress.
func (c *cli) now() time.Time { return time.Now() }

// progress returns what tells how far a transfer is.
func (c *cli) progress(what string) func(bytes int64) {
	return func(bytes int64) { fmt.Fprintf(c.stderr, "%d MiB %s\n", bytes>>20, what) }
}
