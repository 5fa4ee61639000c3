package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"kahuna"
)

// TestWriteFile: a file is there whole or as it was before, and nothing is left
// beside it.
func TestWriteFile(t *testing.T) {
	broken := errors.New("broken")
	write := func(text string, err error) func(io.Writer) (kahuna.BackupInfo, error) {
		return func(w io.Writer) (kahuna.BackupInfo, error) {
			if info, err := w.(*os.File).Stat(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("while it is written: %v, %v", info.Mode(), err)
			}
			_, werr := io.WriteString(w, text)
			return kahuna.BackupInfo{}, errors.Join(werr, err)
		}
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	meanwhile := func(w io.Writer) (kahuna.BackupInfo, error) {
		return kahuna.BackupInfo{}, os.WriteFile(name, []byte("theirs"), 0o666)
	}
	for _, tt := range []struct {
		what   string
		force  bool
		write  func(io.Writer) (kahuna.BackupInfo, error)
		failed string
		holds  string // "" for no file
	}{
		{"fails", false, write("half", broken), "broken", ""},
		{"made meanwhile", false, meanwhile, "is there already", "theirs"},
		{"there already", false, write("one", nil), "is there already", "theirs"},
		{"replaced", true, write("two", nil), "", "two"},
		{"fails to replace", true, write("half", broken), "broken", "two"},
	} {
		_, err := writeFile(name, tt.force, tt.write)
		if (err == nil) != (tt.failed == "") || err != nil && !strings.Contains(err.Error(), tt.failed) {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.failed)
		}
		if info, err := os.Stat(name); err == nil && tt.holds != "theirs" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: the file has mode %v", tt.what, info.Mode())
		}
		data, _ := os.ReadFile(name)
		if string(data) != tt.holds {
			t.Errorf("%s: the file holds %q, want %q", tt.what, data, tt.holds)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp-*")); len(left) > 0 {
			t.Errorf("%s: left %v", tt.what, left)
		}
	}
}

func TestMeter(t *testing.T) {
	now := time.Unix(0, 0)
	var told []int64
	m := &meter{w: io.Discard, told: now, now: func() time.Time { return now }, tell: func(n int64) { told = append(told, n) }}
	for range 12 {
		now = now.Add(time.Second)
		if _, err := m.Write(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 2 || told[0] != 50 || told[1] != 100 {
		t.Errorf("told %v", told)
	}
	c := &cli{stderr: &bytes.Buffer{}}
	c.progress("written")(300 << 20)
	if got := c.stderr.(*bytes.Buffer).String(); got != "300 MiB written\n" {
		t.Errorf("%q", got)
	}
}

// TestInterruptibleReader: it hands on everything, also an error behind the
// data, and ends with its context while it waits.
func TestInterruptibleReader(t *testing.T) {
	text := strings.Repeat("0123456789", 100_000)
	broken := errors.New("broken")
	r := newInterruptible(context.Background(), io.MultiReader(iotest.HalfReader(strings.NewReader(text)), iotest.ErrReader(broken)))
	got, err := io.ReadAll(r)
	if string(got) != text || err != broken {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	in, out := io.Pipe()
	defer out.Close()
	r = newInterruptible(ctx, in)
	cancel()
	if n, err := r.Read(make([]byte, 10)); n != 0 || err != context.Canceled {
		t.Error(n, err)
	}
}

// TestRestoreInterrupted: a signal while a backup is read leaves no store.
func TestRestoreInterrupted(t *testing.T) {
	db, err := kahuna.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var b bytes.Buffer
	if _, err := db.Backup(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	in, out := io.Pipe()
	defer out.Close()
	stderr := new(buffer)
	c := &cli{stdin: in, stdout: io.Discard, stderr: stderr, signals: make(chan os.Signal, 1)}
	dir := filepath.Join(t.TempDir(), "new")
	ended := make(chan int)
	go func() { ended <- c.main(context.Background(), []string{"--embedded", dir, "restore", "-"}) }()
	if _, err := out.Write(b.Bytes()); err != nil { // all of it but the end
		t.Fatal(err)
	}
	c.signals <- os.Interrupt
	if status := <-ended; status != 130 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(stderr.String(), "restore "+dir+": interrupted; nothing was restored") {
		t.Errorf("%q", stderr)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory: %v", err)
	}
}

// TestDocumentedSession runs the session in docs/kahuna-cli.md, line by line.
// Times and sizes may differ.
func TestDocumentedSession(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "kahuna-cli.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "## Backups\n")
	_, rest, _ = strings.Cut(rest, "\n```\n")
	session, _, _ := strings.Cut(rest, "\n```\n")
	t.Chdir(t.TempDir())
	var got strings.Builder
	commands := 0
	for _, line := range strings.Split(session, "\n") {
		args, ok := strings.CutPrefix(line, "$ kahuna-cli ")
		if !ok {
			continue
		}
		commands++
		got.WriteString(line + "\n")
		c := &cli{stdin: strings.NewReader(""), stdout: &got, stderr: &got, signals: make(chan os.Signal), open: open}
		c.main(context.Background(), fields(args))
	}
	varies := regexp.MustCompile(`\d+ms\b|\d+ bytes|\d{4}-\d\d-\d\dT[\d:.]+Z`)
	if got, want := varies.ReplaceAllString(strings.TrimSpace(got.String()), "~"), varies.ReplaceAllString(session, "~"); got != want || commands < 5 {
		t.Errorf("%d commands print\n%s\nthe page says\n%s", commands, got, want)
	}
}

// fields splits a command line; text in single quotes stays together.
func fields(line string) (args []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}
