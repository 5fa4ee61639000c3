package script_test

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"kahuna/internal/model"
	"kahuna/script"
)

// now is the clock reading of every test.
const nowMs = 1_000_000

func clock(ms int64) script.Timestamp { return script.Timestamp(ms) << 20 }

// env is what a test script runs against.
type env struct {
	store  *model.Store
	params map[string]any
	limits script.Limits
	budget int64
}

func newEnv() *env {
	return &env{store: model.NewStore(), params: map[string]any{}}
}

// outcome is everything that can be observed of one run.
type outcome struct {
	result *script.Result
	err    error
	state  []model.Row
}

// runner is one of the two implementations.
type runner func(c *script.Call, tx script.Tx, in *script.Interrupt, budget int64) (*script.Result, error)

func compiled(c *script.Call, tx script.Tx, in *script.Interrupt, budget int64) (*script.Result, error) {
	return c.Run(tx, in, budget)
}

// run executes a call on a copy of the store, and commits what it should.
func (e *env) run(c *script.Call, how runner) outcome {
	store := e.store.Clone()
	tx := store.Begin(clock(nowMs) + 7)
	r, err := how(c, tx, nil, e.budget)
	if err == nil {
		tx.Commit(clock(nowMs) + 9)
	} else {
		tx.Rollback()
	}
	return outcome{r, err, store.Dump()}
}

// same reports how two outcomes differ, "" when they do not.
func same(a, b outcome) string {
	switch {
	case (a.err == nil) != (b.err == nil):
		return fmt.Sprintf("errors %v and %v", a.err, b.err)
	case a.err != nil && !sameError(a.err, b.err):
		return fmt.Sprintf("errors %+v and %+v", a.err, b.err)
	case a.err == nil && show(a.result) != show(b.result):
		return fmt.Sprintf("results\n%s\nand\n%s", show(a.result), show(b.result))
	case !reflect.DeepEqual(a.state, b.state):
		return fmt.Sprintf("states %v and %v", a.state, b.state)
	}
	return ""
}

func sameError(a, b error) bool {
	var x, y *script.Error
	if !errors.As(a, &x) || !errors.As(b, &y) {
		return a == b
	}
	return x.Code == y.Code && x.Line == y.Line && x.Column == y.Column && x.Source == y.Source && x.Text() == y.Text()
}

// show writes a result, with everything that tells it from another.
func show(r *script.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s", r.Type)
	if r.Op != script.OpNone {
		fmt.Fprintf(&b, " (%s)", r.Op)
	}
	for _, e := range r.Entries {
		b.WriteString("\n ")
		if e.Key != "" {
			fmt.Fprintf(&b, " key:%s", e.Key)
		}
		if e.HasValue {
			fmt.Fprintf(&b, " %q", e.Value)
		} else {
			b.WriteString(" null")
		}
		rev := "-"
		if e.Revision >= 0 {
			rev = strconv.FormatInt(e.Revision, 10)
		} else if e.Revision != -1 {
			rev = "?" + strconv.FormatInt(e.Revision, 10)
		}
		fmt.Fprintf(&b, " r%s", rev)
		if e.Expires > 0 {
			fmt.Fprintf(&b, " expires=now%+d", e.Expires-nowMs)
		}
		// The rest is to be completed by Stamp.
		switch e.Modified {
		case 0:
		case math.MaxUint64:
			b.WriteString(" own")
		default:
			fmt.Fprintf(&b, " modified=%d", e.Modified.Millis())
		}
		if e.Expires < 0 {
			fmt.Fprintf(&b, " ttl=%d", -e.Expires)
		}
	}
	return b.String()
}

// showError writes an error as a person sees it, with its code.
func showError(err error) string {
	var e *script.Error
	if !errors.As(err, &e) {
		return "error of the engine: " + err.Error()
	}
	head := fmt.Sprintf("%s %s", e.Type(), e.Code)
	if e.Line > 0 {
		head += fmt.Sprintf(" at %d:%d", e.Line, e.Column)
	}
	return head + "\n" + e.Detail()
}

// directives cuts the "#!" lines off the front of a test's input and obeys
// them:
//
//	#! given k="x"@2 modified=500 expires=900   a version of a key
//	#! given e:k deleted@3                      a tombstone, ephemeral space
//	#! param name=text                          a parameter
//	#! param name:=7                            an int64, or null, true, [1,"a"]
//	#! limit Rows=3
//	#! budget 5
func directives(t *testing.T, input string) (*env, string) {
	t.Helper()
	e := newEnv()
	for {
		rest, ok := strings.CutPrefix(input, "#! ")
		if !ok {
			return e, input
		}
		line, after, _ := strings.Cut(rest, "\n")
		input = after
		word, arg, _ := strings.Cut(line, " ")
		switch word {
		case "given":
			if err := e.store.Put(parseRow(t, arg)); err != nil {
				t.Fatal(err)
			}
		case "param":
			name, text, _ := strings.Cut(arg, "=")
			if typed, ok := strings.CutSuffix(name, ":"); ok {
				e.params[typed] = typedParam(t, text)
			} else {
				e.params[name] = text
			}
		case "limit":
			name, text, _ := strings.Cut(arg, "=")
			field := reflect.ValueOf(&e.limits).Elem().FieldByName(name)
			if !field.IsValid() {
				t.Fatalf("no limit %q", name)
			}
			field.SetInt(number(t, text))
		case "budget":
			e.budget = number(t, arg)
		default:
			t.Fatalf("unknown directive %q", line)
		}
	}
}

func number(t *testing.T, text string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func typedParam(t *testing.T, text string) any {
	t.Helper()
	switch text {
	case "null":
		return nil
	case "true":
		return true
	case "[]":
		return []any{}
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && strings.Contains(text, ".") {
		return f
	}
	return number(t, text)
}

func parseRow(t *testing.T, text string) model.Row {
	t.Helper()
	fields := strings.Fields(text)
	var row model.Row
	row.Modified = clock(1)
	what := fields[0]
	if key, ok := strings.CutPrefix(what, "e:"); ok {
		row.Space, what = script.Ephemeral, key
	}
	if key, value, ok := strings.Cut(what, "="); ok {
		at := strings.LastIndex(value, "@")
		unquoted, err := strconv.Unquote(value[:at])
		if err != nil {
			t.Fatal(err)
		}
		row.Key, row.Value, row.Revision = key, unquoted, number(t, value[at+1:])
		fields = fields[1:]
	} else {
		row.Key, row.Deleted = what, true
		row.Revision = number(t, strings.TrimPrefix(fields[1], "deleted@"))
		fields = fields[2:]
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, "=")
		switch name {
		case "modified":
			row.Modified = clock(number(t, value))
		case "expires":
			row.Expires = number(t, value)
		case "norev":
			row.NoRev = true
		default:
			t.Fatalf("unknown field %q", f)
		}
	}
	return row
}

// showState writes the newest version of every key that the run changed.
func showState(before, after []model.Row) string {
	old := map[string]model.Row{}
	for _, r := range before {
		old[fmt.Sprint(r.Space, r.Key, r.Revision)] = r
	}
	var b strings.Builder
	for _, r := range after {
		if old[fmt.Sprint(r.Space, r.Key, r.Revision)] == r {
			continue
		}
		b.WriteString("\nstate: ")
		if r.Space == script.Ephemeral {
			b.WriteString("e:")
		}
		if r.Deleted {
			fmt.Fprintf(&b, "%s deleted@%d", r.Key, r.Revision)
		} else {
			fmt.Fprintf(&b, "%s=%q@%d", r.Key, r.Value, r.Revision)
		}
		if r.Expires != 0 {
			fmt.Fprintf(&b, " expires=now%+d", r.Expires-nowMs)
		}
		if r.NoRev {
			b.WriteString(" norev")
		}
	}
	return b.String()
}
