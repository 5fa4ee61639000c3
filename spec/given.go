package spec

import (
	"context"
	"fmt"
	"strings"
	"time"

	"kahuna/script"
)

// establish brings about given rows, through scripts alone and to the exact
// revision. A row at revision r, where the key's counter stands at c, takes
// r-c writes in one script; all but the last are superseded inside it and so
// never existed for anyone else. Rows of one key, in the order given, become
// its history, each committed by a script of its own.
func establish(ctx context.Context, run Runner, rows []Row, times Times) error {
	counter := map[string]int64{}
	for _, r := range rows {
		id := spaced("", r.Space) + r.Key
		from, ok := counter[id]
		if !ok {
			from = -1
		}
		source, err := rowScript(r, from, times)
		if err != nil {
			return err
		}
		counter[id] = r.Revision
		res := run.Run(ctx, Request{Source: source})
		if res.Err != nil {
			return fmt.Errorf("given row %q: %w\n%s", r.Key, res.Err, source)
		}
		if got := res.Result.Revision(); got != r.Revision {
			return fmt.Errorf("given row %q: reached revision %d, not %d", r.Key, got, r.Revision)
		}
		if r.Expired {
			if err := run.Wait(ctx, 2*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowScript returns the script that takes a key from revision from to row r.
func rowScript(r Row, from int64, times Times) (string, error) {
	value, _, err := times.Expand(r.Value)
	if err != nil {
		return "", err
	}
	key := Quote(r.Key)
	fillers := r.Revision - from - 1
	if fillers < 0 || r.Absent {
		return "", fmt.Errorf("given row %q cannot go from revision %d to %d", r.Key, from, r.Revision)
	}
	set, del := spaced("set", r.Space), spaced("delete", r.Space)
	var b strings.Builder
	if fillers > 0 {
		fmt.Fprintf(&b, "for i in 1..%d do %s %s i end\n", fillers, set, key)
	}
	if r.Deleted {
		// Deletes what the fillers, or an earlier row, left.
		fmt.Fprintf(&b, "%s %s", del, key)
		return b.String(), nil
	}
	fmt.Fprintf(&b, "%s %s %s", set, key, Quote(value))
	switch {
	case r.Expired:
		b.WriteString(" ex 1")
	case r.TTL > 0:
		fmt.Fprintf(&b, " ex %d", r.TTL)
	}
	if r.NoRev {
		b.WriteString(" norev")
	}
	return b.String(), nil
}

// spaced is a command's name in a space: the ephemeral ones begin with e.
func spaced(command string, space script.Space) string {
	if space == script.Ephemeral {
		return "e" + command
	}
	return command
}

// Quote writes s as a string literal of the language, in double quotes. What
// is not printable ASCII becomes bytes, so that any s survives.
func Quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
