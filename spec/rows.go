package spec

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"

	"kahuna/script"
)

// look reads a store through scripts.
type look struct {
	ctx context.Context
	run Runner
}

// read runs a script that only reads.
func (l *look) read(source string) (*script.Result, error) {
	res := l.run.Run(l.ctx, Request{Source: source})
	if res.Err != nil {
		return nil, fmt.Errorf("%w\nwhile looking at the store with:\n%s", res.Err, source)
	}
	return res.Result, nil
}

// now returns the store's time in Unix milliseconds.
func (l *look) now() (int64, error) {
	res, err := l.read("return current_time()")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(res.Text(), 10, 64)
}

// liveRow is a live key as a scan shows it.
type liveRow struct {
	space script.Space
	script.Entry
}

func (r liveRow) String() string {
	return fmt.Sprintf("%s%s=%q@%d expires %d modified %d", spaced("", r.space), r.Key, r.Value, r.Revision, r.Expires, r.Modified)
}

// live returns every live row of both spaces, ordered; ok is false when a space
// has more than one script may return.
func (l *look) live() (rows []liveRow, ok bool, err error) {
	const most = 4096
	for _, space := range []script.Space{script.Persistent, script.Ephemeral} {
		res, err := l.read(fmt.Sprintf(`%s by prefix "" limit %d`, spaced("scan", space), most))
		if errors.Is(err, &script.Error{Code: script.CodeLimit}) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		if len(res.Entries) == most {
			return nil, false, nil
		}
		for _, e := range res.Entries {
			rows = append(rows, liveRow{space, e})
		}
	}
	sort.Slice(rows, func(i, j int) bool {
		if rows[i].space != rows[j].space {
			return rows[i].space < rows[j].space
		}
		return rows[i].Key < rows[j].Key
	})
	return rows, true, nil
}

// row compares the store with one row of a state.
func (l *look) row(want Row, times Times, from int64) error {
	key := Quote(want.Key)
	name := spaced("", want.Space) + want.Key
	get := spaced("get", want.Space) + " " + key
	got, err := l.read(get)
	if err != nil {
		return err
	}
	found := got.Type == script.TypeGet
	if want.Deleted || want.Expired || want.Absent {
		if found {
			return fmt.Errorf("%s is live: %s", name, entryText(got.First()))
		}
		if want.Absent {
			return nil
		}
		return l.gone(want, name, key, get)
	}
	if !found {
		return fmt.Errorf("%s is not live, want %q", name, want.Value)
	}
	to, err := l.now()
	if err != nil {
		return err
	}
	w := Entry{Key: want.Key, Value: want.Value, Revision: want.Revision, HasTTL: want.HasTTL, TTL: want.TTL}
	if w.Revision < 0 {
		w.Revision = got.Revision()
	}
	if err := entryMatches(w, got.First(), times, from, to); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// gone checks the counter of a key that is not live, which a vain extend
// tells, and whether it was deleted or has expired: only a value that expired
// can still be read at its revision.
func (l *look) gone(want Row, name, key, get string) error {
	res, err := l.read(spaced("extend", want.Space) + " " + key + " 0")
	if err != nil {
		return err
	}
	if res.Revision() != want.Revision {
		return fmt.Errorf("%s stands at revision %d, want %d", name, res.Revision(), want.Revision)
	}
	res, err = l.read(fmt.Sprintf("%s at %d", get, want.Revision))
	if err != nil {
		return err
	}
	expired := res.Type == script.TypeGet
	if expired != want.Expired {
		return fmt.Errorf("%s: expired %v, want %v", name, expired, want.Expired)
	}
	if expired && res.Text() != want.Value {
		return fmt.Errorf("%s expired as %q, want %q", name, res.Text(), want.Value)
	}
	return nil
}

// sameRows tells the first difference between two lists of live rows, apart
// from rows whose time to live ended by now.
func sameRows(before, after []liveRow, now int64) error {
	text := func(rows []liveRow) []string {
		var out []string
		for _, r := range rows {
			if r.Expires == 0 || r.Expires > now {
				out = append(out, r.String())
			}
		}
		return out
	}
	a, b := text(before), text(after)
	for i := range max(len(a), len(b)) {
		switch {
		case i >= len(a):
			return fmt.Errorf("row added: %s", b[i])
		case i >= len(b):
			return fmt.Errorf("row gone: %s", a[i])
		case a[i] != b[i]:
			return fmt.Errorf("was %s, is %s", a[i], b[i])
		}
	}
	return nil
}
