package shadow_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	_ "kahuna/internal/seed" // fixed seeds
	"kahuna/internal/shadow"
)

func write(fs vfs.FS, name, text string) error {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Sync(), f.Close())
}

// text lists everything below a directory, with contents.
func text(fs vfs.FS, dir string) string {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Sprintf("%s: %v\n", dir, errors.Is(err, os.ErrNotExist))
	}
	found := map[string]bool{}
	var b strings.Builder
	for _, name := range []string{"a", "b", "c", "sub"} {
		for _, n := range names {
			found[n] = true
		}
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if (err == nil) != found[name] {
			fmt.Fprintf(&b, "%s is listed: %v, Stat: %v\n", path, found[name], err)
		}
		if err != nil {
			continue
		}
		if info.IsDir() {
			b.WriteString(text(fs, path))
			continue
		}
		f, err := fs.Open(path)
		if err != nil {
			fmt.Fprintf(&b, "%s: %v\n", path, err)
			continue
		}
		data, err := io.ReadAll(f)
		fmt.Fprintf(&b, "%s %q %v\n", path, data, errors.Join(err, f.Close()))
	}
	if len(names) != len(found) {
		fmt.Fprintf(&b, "names twice: %v\n", names)
	}
	return b.String()
}

// TestShadow does the same to a shadow and to a copy of its disk: they look the
// same, and the disk stays as it was.
func TestShadow(t *testing.T) {
	names := []string{"d/a", "d/b", "d/c", "d/sub/a", "d/sub/b", "d/sub/c"}
	rapid.Check(t, func(t *rapid.T) {
		disk, plain := vfs.NewMem(), vfs.NewMem()
		name := func(what string) string { return rapid.SampledFrom(names).Draw(t, what) }
		for _, fs := range []vfs.FS{disk, plain} {
			if err := fs.MkdirAll("d/sub", 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(0, 5).Draw(t, "files") {
			n, content := name("file"), rapid.StringN(0, 5, -1).Draw(t, "content")
			if err := errors.Join(write(disk, n, content), write(plain, n, content)); err != nil {
				t.Fatal(err)
			}
		}
		before := text(disk, "d")
		s := shadow.New(disk)
		for i := range rapid.IntRange(1, 20).Draw(t, "steps") {
			a, b := name("a"), name("b")
			step := rapid.IntRange(0, 6).Draw(t, "step")
			if _, err := plain.Stat("d/sub"); err != nil && (strings.HasPrefix(a, "d/sub") || strings.HasPrefix(b, "d/sub")) {
				step = 6 // without a directory plain fails where a shadow makes one
			}
			if a == b && step > 2 && step < 6 {
				continue
			}
			do := func(fs vfs.FS) error {
				switch step {
				case 0:
					return write(fs, a, fmt.Sprint(i))
				case 1:
					return fs.Remove(a)
				case 2: // in place
					if _, err := fs.Stat(a); err != nil {
						return err
					}
					f, err := fs.OpenReadWrite(a, vfs.WriteCategoryUnspecified)
					if err != nil {
						return err
					}
					_, err = f.WriteAt([]byte("!"), 1)
					return errors.Join(err, f.Close())
				case 3:
					return fs.Rename(a, b)
				case 4:
					f, err := fs.ReuseForWrite(a, b, vfs.WriteCategoryUnspecified)
					if err != nil {
						return err
					}
					return f.Close()
				case 5:
					return fs.Link(a, b)
				}
				d, err := fs.OpenDir("d")
				return errors.Join(err, d.Sync(), d.Close(), fs.RemoveAll("d/sub"), fs.MkdirAll("d/sub", 0o755))
			}
			if got, want := do(s), do(plain); (got == nil) != (want == nil) {
				t.Fatalf("step %d of %s, %s: %v, want %v", step, a, b, got, want)
			}
			if got, want := text(s, "d"), text(plain, "d"); got != want {
				t.Fatalf("after step %d of %s, %s:\n%s\nwant\n%s", step, a, b, got, want)
			}
		}
		if after := text(disk, "d"); after != before {
			t.Fatalf("the disk changed from\n%s\nto\n%s", before, after)
		}
	})
}
