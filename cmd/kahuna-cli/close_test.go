package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"kahuna"
)

// unclosable is a store that cannot be closed in order, as on a full disk.
type unclosable struct{ kahuna.Store }

func (s unclosable) Close() error {
	return errors.Join(s.Store.Close(), &kahuna.Error{Op: "close", Code: kahuna.CodeStorage, Message: "no space left on device"})
}

// When closing fails behind an answered script, the answer stands, and the user is
// told so.
func TestCloseFails(t *testing.T) {
	for _, tt := range []struct {
		args          []string
		stdout        string
		told, answers bool
	}{
		{[]string{"-e", "set k 1"}, "r0 set ", true, true},
		{[]string{"get", "k"}, "r- not found ", true, true},
		{[]string{"-e", "throw 'no'"}, "", true, false},
	} {
		var stdout, stderr bytes.Buffer
		c := &cli{stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr, signals: make(chan os.Signal),
			open: func(_ string, o *kahuna.Options) (kahuna.Store, error) {
				db, err := kahuna.OpenMemory(o)
				return unclosable{db}, err
			}}
		if status := c.main(context.Background(), append([]string{"--embedded", t.TempDir()}, tt.args...)); status != exitFailed {
			t.Errorf("%q: status %d", tt.args, status)
		}
		if !strings.HasPrefix(stdout.String(), tt.stdout) || tt.stdout == "" && stdout.Len() > 0 {
			t.Errorf("%q: %q", tt.args, &stdout)
		}
		if told := strings.Contains(stderr.String(), "no space left on device"); told != tt.told {
			t.Errorf("%q: %q", tt.args, &stderr)
		}
		if answers := strings.Contains(stderr.String(), "what was answered stands"); answers != tt.answers {
			t.Errorf("%q: %q", tt.args, &stderr)
		}
	}
}
