package console

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"kahuna/script"
)

func entry(key, value string, rev int64) script.Entry {
	return script.Entry{Key: key, Value: value, HasValue: true, Revision: rev}
}

func bare(key string, rev int64) script.Entry { return script.Entry{Key: key, Revision: rev} }

func result(t script.Type, op script.Op, entries ...script.Entry) *script.Result {
	list := op == script.OpBucket || op == script.OpScan || len(entries) > 1
	return &script.Result{Type: t, Op: op, Outcome: script.Applied, Entries: entries, List: list}
}

func list(entries ...script.Entry) *script.Result {
	return &script.Result{Type: script.TypeGet, Op: script.OpReturn, Outcome: script.Applied, Entries: entries, List: true}
}

func TestRenderResults(t *testing.T) {
	tests := []struct {
		name string
		res  *script.Result
		want string
	}{
		{"set", result(script.TypeSet, script.OpSet, bare("k", 4)), "r4 set 19ms"},
		{"not set", result(script.TypeNotSet, script.OpSet, bare("k", 2)), "r2 not set 19ms"},
		{"not set, no counter", result(script.TypeNotSet, script.OpSet, bare("k", -1)), "r- not set 19ms"},
		{"extended", result(script.TypeExtended, script.OpExtend, bare("k", 0)), "r0 extended 19ms"},
		{"deleted", result(script.TypeDeleted, script.OpDelete, bare("k", 1)), "r1 deleted 19ms"},
		{"exists", result(script.TypeExists, script.OpExists, bare("k", 7)), "r7 exists 19ms"},
		{"not exists", result(script.TypeDoesNotExist, script.OpExists, bare("k", -1)), "r- not exists 19ms"},
		{"not found", result(script.TypeDoesNotExist, script.OpGet, bare("k", -1)), "r- not found 19ms"},
		{"nothing to delete", result(script.TypeDoesNotExist, script.OpDelete, bare("k", 3)), "r3 not found 19ms"},
		{"nothing to extend", result(script.TypeDoesNotExist, script.OpExtend, bare("k", 3)), "r3 not found 19ms"},
		{"empty bucket", result(script.TypeDoesNotExist, script.OpBucket), "no keys found 19ms"},
		{"empty scan", result(script.TypeDoesNotExist, script.OpScan), "no keys found 19ms"},
		{"committed", result(script.TypeCommitted, script.OpNone), "committed 19ms"},
		{"get shows no key", result(script.TypeGet, script.OpGet, entry("k", "v", 3)), "r3 v 19ms"},
		{"computed", result(script.TypeGet, script.OpReturn, entry("", "5", -1)), "r- 5 19ms"},
		{"null", result(script.TypeGet, script.OpReturn, bare("", -1)), "r- (null) 19ms"},
		{"empty text", result(script.TypeGet, script.OpGet, entry("k", "", 0)), "r0 (empty str) 19ms"},
		{"empty array", result(script.TypeGet, script.OpReturn), "(empty array) 19ms"},
		{"bucket of one", result(script.TypeGet, script.OpBucket, entry("b/x", "1", 0)), "r0 b/x 1\n19ms"},
		{"scan", result(script.TypeGet, script.OpScan, entry("p1", "", 0), entry("p2", "z", 1)),
			"r0 p1 (empty str)\nr1 p2 z\n19ms"},
		{"array", result(script.TypeGet, script.OpReturn, entry("", "a", 4), bare("", -1)), "r4 a\nr- (null)\n19ms"},
		{"array of one", list(entry("", "x", -1)), "r- x\n19ms"},
		{"count", &script.Result{Type: script.TypeGet, Op: script.OpScan, Entries: []script.Entry{entry("", "12", -1)}}, "r- 12 19ms"},
		{"deleted by", result(script.TypeDeleted, script.OpDelete, entry("", "12", -1)), "12 deleted 19ms"},
		{"none deleted by", result(script.TypeDoesNotExist, script.OpDelete, entry("", "0", -1)), "no keys found 19ms"},
		{"several lines", result(script.TypeGet, script.OpGet, entry("k", "a\nr7 forged 0ms\r\nc", 0)), `r0 "a\nr7 forged 0ms\r\nc" 19ms`},
		{"control characters", result(script.TypeGet, script.OpGet, entry("k", "\x1b[2J\t\x00\x7f\u0085\rz", 0)),
			`r0 "\x1b[2J\t\x00\x7f\u0085\rz" 19ms`},
		{"not UTF-8", result(script.TypeGet, script.OpGet, entry("k", "é\xff\xc3", 0)), `r0 "é\xff\xc3" 19ms`},
		{"a text of an escape", result(script.TypeGet, script.OpGet, entry("k", `é\xff\xc3`, 0)), `r0 é\xff\xc3 19ms`},
		{"a text of a quoted escape", result(script.TypeGet, script.OpGet, entry("k", `"\xff"`, 0)), `r0 "\"\\xff\"" 19ms`},
		{"a backslash beside an escape", result(script.TypeGet, script.OpGet, entry("k", "\\x00\x00", 0)), `r0 "\\x00\x00" 19ms`},
		{"quotes stay", result(script.TypeGet, script.OpGet, entry("k", `"a" "b"`, 0)), `r0 "a" "b" 19ms`},
		{"a text like null", result(script.TypeGet, script.OpGet, entry("k", `(null)`, 0)), `r0 "(null)" 19ms`},
		{"a text like the empty one", result(script.TypeGet, script.OpGet, entry("k", `(empty str)`, 0)), `r0 "(empty str)" 19ms`},
		{"a text like that one", result(script.TypeGet, script.OpGet, entry("k", `"(null)"`, 0)), `r0 "\"(null)\"" 19ms`},
		{"key in one line", result(script.TypeGet, script.OpScan, entry("a\nb", "1\n2", 0)), `r0 "a\nb" "1\n2"` + "\n19ms"},
		{"direction override", result(script.TypeGet, script.OpGet, entry("k", "a\u202eb", 0)), `r0 "a\u202eb" 19ms`},
		{"direction marks", result(script.TypeGet, script.OpGet, entry("k", "\u061c\u200e\u200f\u2066", 0)), `r0 "\u061c\u200e\u200f\u2066" 19ms`},
		{"line separators", result(script.TypeGet, script.OpGet, entry("k", "\u2028\u2029", 0)), `r0 "\u2028\u2029" 19ms`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			check(t, tt.res, nil, tt.want)
		})
	}
}

func check(t *testing.T, res *script.Result, err error, want string) {
	t.Helper()
	var b bytes.Buffer
	if werr := Render(&b, res, err, 19*time.Millisecond+999*time.Microsecond); werr != nil {
		t.Fatal(werr)
	}
	if got := b.String(); got != want+"\n" {
		t.Errorf("got  %q\nwant %q", got, want+"\n")
	}
}

func TestRenderWarningsFirst(t *testing.T) {
	res := result(script.TypeSet, script.OpSet, bare("stock", 0))
	res.Warnings = []script.Warning{{Line: 2, Column: 5, Text: "'stock' is a key here"}, {Line: 3, Column: 1, Text: "unreachable"}}
	check(t, res, nil, "warning: 'stock' is a key here at line 2, column 5\nwarning: unreachable at line 3, column 1\nr0 set 19ms")
	e := &script.Error{Code: script.CodeDivisionByZero, Message: "division by zero", Line: 1, Column: 9, Source: "set a 1 / 0", Warnings: res.Warnings[:1]}
	check(t, nil, e, "warning: 'stock' is a key here at line 2, column 5\nerror: division by zero\n  1 | set a 1 / 0\n    |         ^")
	e = &script.Error{Code: script.CodeTimeout, Message: "transaction timed out after 5 ms", Warnings: res.Warnings[1:]}
	check(t, nil, e, "warning: unreachable at line 3, column 1\naborted: transaction timed out after 5 ms 19ms")
}

func TestRenderErrors(t *testing.T) {
	typeErr := &script.Error{Code: script.CodeType, Message: `cannot apply '+' to string "abc" and int64`,
		Hint: "use concat() to join text", Line: 3, Column: 18, Source: "let label = name + 1"}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"caret", typeErr, "error: cannot apply '+' to string \"abc\" and int64; use concat() to join text\n" +
			"  3 | let label = name + 1\n    |                  ^"},
		{"wrapped", fmt.Errorf("client: %w", typeErr), "error: cannot apply '+' to string \"abc\" and int64; use concat() to join text\n" +
			"  3 | let label = name + 1\n    |                  ^"},
		{"tab before the caret", &script.Error{Code: script.CodeType, Message: "m", Line: 10, Column: 3, Source: "\t\tx"},
			"error: m\n  10 | \t\tx\n     | \t\t^"},
		{"escape in source", &script.Error{Code: script.CodeSyntax, Message: "m", Line: 1, Column: 2, Source: "\x1bx"},
			"error: m\n  1 |  x\n    |  ^"},
		{"no position", &script.Error{Code: script.CodeMissingParameter, Message: "missing parameter '@a'"},
			"error: missing parameter '@a'"},
		{"invalid input", &script.Error{Code: script.CodeBadRequest, Message: "no script was sent"}, "error: no script was sent"},
		{"unknown outcome", &script.Error{Code: script.CodeOutcomeUnknown, Outcome: script.OutcomeUnknown, Message: "the leader was lost"},
			"error: the leader was lost"},
		{"aborted", &script.Error{Code: script.CodeRollback, Message: "transaction rolled back"}, "aborted: transaction rolled back 19ms"},
		{"timed out", &script.Error{Code: script.CodeTimeout, Message: "transaction timed out after 50 ms"},
			"aborted: transaction timed out after 50 ms 19ms"},
		{"retry", &script.Error{Code: script.CodeRetry, Message: "partition 3 has no leader"}, "not done: partition 3 has no leader"},
		{"refused", &script.Error{Code: script.CodeAdmission, Message: "timed out waiting for admission"},
			"not done: timed out waiting for admission"},
		{"a code of its own", &script.Error{Code: script.CodeThrow, Message: "sold out", UserCode: "SOLD\nOUT", Line: 1, Column: 1, Source: "throw @t, @c"},
			"error: sold out\n  1 | throw @t, @c\n    | ^\ncode: \"SOLD\\nOUT\""},
		{"lines in a message", &script.Error{Code: script.CodeThrow, Message: "a\nr7 forged 0ms", Line: 1, Column: 1, Source: "throw @t"},
			"error: a\\nr7 forged 0ms\n  1 | throw @t\n    | ^"},
		{"lines in a reason", &script.Error{Code: script.CodeRollback, Message: "a\nb"}, `aborted: a\nb 19ms`},
		{"foreign", errors.New("dial\x07: refused"), `error: dial\a: refused`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, nil, tt.err, tt.want) })
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestRenderReportsTheWriter(t *testing.T) {
	if err := Render(failing{}, result(script.TypeCommitted, script.OpNone), nil, 0); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

// Whatever comes in, no control character goes out, each entry is one line, and
// two values look the same only when they are (Invariant CON-1).
func FuzzRender(f *testing.F) {
	f.Add("v", "k")
	f.Add("\x1b]0;x\x07", "a\nb\xff")
	f.Add("\xff", `"\xff"`)
	f.Add(`\\`, "\\\x00")
	f.Fuzz(func(t *testing.T, value, key string) {
		var b bytes.Buffer
		_ = Render(&b, result(script.TypeGet, script.OpScan, entry(key, value, 0)), nil, 0)
		if n := strings.Count(b.String(), "\n"); n != 2 {
			t.Fatalf("%d lines: %q", n, b.String())
		}
		_ = Render(&b, nil, &script.Error{Code: script.CodeThrow, Message: value, Line: 1, Column: 1, Source: key}, 0)
		for _, r := range b.String() {
			if r != '\n' && r != '\t' && hidden(r) {
				t.Fatalf("%q holds %q", b.String(), r)
			}
		}
		if value != key && value != "" && key != "" && quoted(value) == quoted(key) {
			t.Fatalf("%q and %q are both printed as %s", value, key, quoted(key))
		}
	})
}

func TestRenderRaw(t *testing.T) {
	for _, tt := range []struct {
		res  *script.Result
		want string
	}{
		{result(script.TypeGet, script.OpGet, entry("k", "a\n\x00\xff", 3)), "a\n\x00\xff"},
		{list(entry("", "a", 0), bare("", -1), entry("", "b", 0)), "a\n\nb\n"},
		{result(script.TypeGet, script.OpReturn, bare("", -1)), ""},
		{result(script.TypeSet, script.OpSet, bare("k", 0)), ""},
	} {
		var b bytes.Buffer
		if err := RenderRaw(&b, tt.res); err != nil || b.String() != tt.want {
			t.Errorf("%q, %v; want %q", b.String(), err, tt.want)
		}
	}
}
