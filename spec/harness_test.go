package spec_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"kahuna/internal/model"
	"kahuna/script"
	"kahuna/spec"
)

// The suite has what it claims to have.
func TestSuiteIsLarge(t *testing.T) {
	cases, err := spec.Cases()
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for _, c := range cases {
		steps += len(c.Steps)
	}
	t.Logf("%d cases, %d steps", len(cases), steps)
	if len(cases) < 400 || steps < 1100 {
		t.Errorf("only %d cases with %d steps", len(cases), steps)
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct{ text, want string }{
		{"no cases", "f:1: no cases"},
		{"-- a --\n", "f:1: case \"a\" runs nothing"},
		{"-- a --\nscript: return 1\n-- a --\nscript: return 2", "f:3: case \"a\" is already on line 1"},
		{"comment\n-- a --\nnonsense", "f:3: expected 'field: text'"},
		{"-- a --\nresult: Get", "f:2: field \"result\" without a script"},
		{"-- a --\nscript: return 1\ncolour: red", "f:3: unknown field \"colour\""},
		{"-- a --\nscript: return 1\nresult: Got", "f:3: \"Got\" is no type"},
		{"-- a --\nscript: return 1\nresult: Get \"1", "f:3: text is not closed"},
		{"-- a --\nscript: return 1\nresult: Get \"1\"", "f:3: expected a revision"},
		{"-- a --\nscript: return 1\nresult: Get \"1\" r- ttl=x", "f:3: expected a number"},
		{"-- a --\nscript: return 1\nresult: Get \"1\" r- soon", "f:3: unexpected \"soon\""},
		{"-- a --\nscript: return 1\nresult: Get\nfails: type", "f:4: a script has a result or fails"},
		{"-- a --\nscript: return 1\ngiven: k=\"1\"@0", "f:3: 'given' after a script"},
		{"-- a --\ngiven: k\nscript: return 1", "f:2: expected a key"},
		{"-- a --\ngiven: k=\"1\"@0 j=\"2\"@0\nscript: return 1", "f:2: unexpected"},
		{"-- a --\nparams: n\nscript: return 1", "f:2: expected name=value"},
		{"-- a --\nparams: n:={]\nscript: return 1", `f:2: "{]": jsontext`},
		{"-- a --\nscript: return 1\nparams: n=1", "f:1: case \"a\" ends before the script"},
		{"-- a --\nagain:", "f:2: 'again' before a script"},
		{"-- a --\nfile: x.kh", "f:2: 'file' without a directory"},
		{"-- a --\neval: 1", "f:2: expected 'expression => value'"},
		{"-- a --\neval: 1 => [1]", "f:2: a value is a text or null"},
		{"-- a --\nscript: return 1\nwait: soon", "f:3: time: invalid duration"},
		{"-- a --\nscript: return 1\nmark: T 1", "f:3: \"T 1\" is no name"},
		{"-- a --\nscript: return 1\nfails: type at x", "f:3: expected a number"},
		{"-- a --\nscript: return 1\nfails: type because", "f:3: unexpected \"because\""},
	}
	for _, tt := range tests {
		_, err := spec.Parse("f", tt.text, nil)
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("-- a --\ngiven: e:k=\"1\"@0 ttl=5, j deleted@1\nparams: a=1, b:=[1]\nscript: return @a\nresult: Get \"1\" r-\nstate: none\n")
	f.Add("-- a --\neval: 1 => !type at 1:2 says \"x\"\nwarnings: 1:1 \"x\"\nconsole:\n| a\n| b\n")
	f.Fuzz(func(t *testing.T, text string) {
		cases, err := spec.Parse("f", text, nil)
		if err == nil && len(cases) == 0 {
			t.Error("neither cases nor an error")
		}
	})
}

// one parses a file with one case.
func one(t *testing.T, text string) *spec.Case {
	t.Helper()
	cases, err := spec.Parse("f", "-- c --\n"+text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &cases[0]
}

// A wrong expectation of every kind is found: the negative control of the
// harness.
func TestWrongExpectationsAreFound(t *testing.T) {
	const given = "given: k=\"v\"@3 ttl=60000, g deleted@1, x=\"o\"@2 expired\n"
	tests := []struct{ text, want string }{
		{"eval: 1 + 1 => 3", `value "2", want "3"`},
		{"eval: 1 + 1 => null", "has a value"},
		{"eval: [1, 2] => [\"1\"]", "2 entries, want 1"},
		{"eval: 1 / 0 => 1", "want a success"},
		{"eval: 1 => !type", "want the error type"},
		{"eval: 1 / 0 => !type", "code division_by_zero, want type"},
		{"eval: 1 / 0 => !division_by_zero at 1:9", "at 1:10, want 1:9"},
		{"eval: 1 / 0 => !division_by_zero at 2", "want 2:0"},
		{"eval: 1 / 0 => !division_by_zero reason \"no\"", "reason"},
		{"eval: 1 / 0 => !division_by_zero says \"no\"", "does not say"},
		{"script: get k\nresult: Exists key:k null r3", "type Get, want Exists"},
		{"script: get k\nresult: Get key:j \"v\" r3", "key \"k\", want \"j\""},
		{"script: get k\nresult: Get key:k \"v\" r2", "revision 3, want 2"},
		{"script: get k\nresult: Get key:k \"v\" r3 forever", "want never"},
		{"script: get k\nresult: Get key:k \"v\" r3 ttl=50000", "want 50000"},
		{"script: get k\nresult: Get key:k \"v\" r3 unmodified", "modified"},
		{"script: get k\nop: exists", "op \"get\", want \"exists\""},
		{"script: get k\nconsole: r2 v *ms", "the console prints"},
		{"script: return 1\nwarnings: 1:1 \"x\"", "0 warnings, want 1"},
		{"script: return 1 set k 1\nwarnings: none", "1 warnings, want 0"},
		{"script: return 1 / 0 set k 1\nfails: division_by_zero\nwarnings: none", "1 warnings, want 0"},
		{"script: return 1 / 0\nfails: division_by_zero\nwarnings: 1:1 \"x\"", "0 warnings, want 1"},
		{"script: return 1\nstate: k=\"w\"@3", "value \"v\", want \"w\""},
		{"script: return 1\nstate: k=\"v\"@4", "revision 3, want 4"},
		{"script: return 1\nstate: k=\"v\"@3 ttl=0", "want never"},
		{"script: return 1\nstate: k absent", "k is live"},
		{"script: return 1\nstate: g=\"v\"@1", "g is not live"},
		{"script: return 1\nstate: g deleted@2", "stands at revision 1, want 2"},
		{"script: return 1\nstate: x deleted@2", "expired true, want false"},
		{"script: return 1\nstate: g=\"v\"@1 expired", "expired false, want true"},
		{"script: return 1\nstate: none", "1 live rows, want 0"},
		{"script: return 1\nstate: only g deleted@1", "1 live rows, want 0"},
		{"params: t=$later\nscript: return @t", "has no mark"},
		{"script: return current_time() + 5000\nresult: Get \"~$now\" r-", "ms from the one wanted"},
	}
	for _, tt := range tests {
		err := spec.RunCase(t.Context(), one(t, given+tt.text), model.NewRunner())
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("%s\n%v, want %s", tt.text, err, tt.want)
		}
	}
}

// broken changes the answers of a good store.
type broken struct {
	*model.Runner
	change func(source string, r spec.Response) spec.Response
}

func (b broken) Run(ctx context.Context, req spec.Request) spec.Response {
	return b.change(req.Source, b.Runner.Run(ctx, req))
}

// A store that answers badly is found, whatever the case says.
func TestBrokenStoresAreFound(t *testing.T) {
	tests := []struct {
		name, text, want string
		change           func(*model.Runner, spec.Response) spec.Response
	}{
		{"outcome", "script: set k 1", "outcome not applied", func(_ *model.Runner, r spec.Response) spec.Response {
			res := *r.Result
			res.Outcome = script.NotApplied
			return spec.Response{Result: &res}
		}},
		{"both", "script: set k 1", "a result and an error", func(_ *model.Runner, r spec.Response) spec.Response {
			return spec.Response{Result: r.Result, Err: context.Canceled}
		}},
		{"neither", "script: set k 1", "neither result nor error", func(*model.Runner, spec.Response) spec.Response {
			return spec.Response{}
		}},
		{"foreign error", "script: set k 1", "not a *script.Error", func(*model.Runner, spec.Response) spec.Response {
			return spec.Response{Err: context.Canceled}
		}},
		{"elapsed", "script: set k 1", "elapsed", func(_ *model.Runner, r spec.Response) spec.Response {
			res := *r.Result
			res.Elapsed = -time.Second
			return spec.Response{Result: &res}
		}},
		{"a failure that leaves a row", "script: throw 'x'\nfails: throw", "row added", func(m *model.Runner, r spec.Response) spec.Response {
			_ = m.Store.Put(model.Row{Key: "left", Value: "x"})
			return r
		}},
		{"a failure that loses a row", "given: k=\"v\"@0\nscript: throw 'x'\nfails: throw", "row gone", func(m *model.Runner, r spec.Response) spec.Response {
			m.Store.Evict(script.Persistent, "k")
			return r
		}},
		{"a failure that touches an expiry", "given: k=\"v\"@0\nscript: throw 'x'\nfails: throw", "was k=", func(m *model.Runner, r spec.Response) spec.Response {
			_ = m.Store.Put(model.Row{Key: "k", Value: "v", Expires: m.Now() + 99999})
			return r
		}},
		{"failure with outcome applied", "script: throw 'x'\nfails: throw", "failure with outcome applied", func(_ *model.Runner, r spec.Response) spec.Response {
			e := *r.Err.(*script.Error)
			e.Outcome = script.Applied
			return spec.Response{Err: &e}
		}},
		{"position outside", "script: throw 'x'\nfails: throw", "outside the source", func(_ *model.Runner, r spec.Response) spec.Response {
			e := *r.Err.(*script.Error)
			e.Line = 7
			return spec.Response{Err: &e}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := one(t, tt.text)
			m := model.NewRunner()
			run := broken{m, func(source string, r spec.Response) spec.Response {
				if source != c.Steps[0].Source {
					return r
				}
				return tt.change(m, r)
			}}
			err := spec.RunCase(t.Context(), c, run)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// forgetful is a store without idempotency keys.
type forgetful struct{ *model.Runner }

func (f forgetful) Run(ctx context.Context, req spec.Request) spec.Response {
	req.IdempotencyKey = ""
	return f.Runner.Run(ctx, req)
}

func TestForgottenIdempotencyKeyIsFound(t *testing.T) {
	c := one(t, "twice: a\nscript: set n to_int(get n) + 1")
	err := spec.RunCase(t.Context(), c, forgetful{model.NewRunner()})
	if err == nil || !strings.Contains(err.Error(), "another result") {
		t.Errorf("%v", err)
	}
}

func TestGivenRowsThatCannotBe(t *testing.T) {
	for _, given := range []string{
		`k deleted@0`,
		`k="v"@3, k="w"@3`,
		`k="v"@3, k="w"@1`,
		`k deleted@1, k deleted@2`,
		`k absent`,
	} {
		err := spec.RunCase(t.Context(), one(t, "given: "+given+"\nscript: return 1"), model.NewRunner())
		if err == nil || !strings.Contains(err.Error(), "given row") {
			t.Errorf("%s: %v", given, err)
		}
	}
}

func TestQuoteSurvivesTheLanguage(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	for _, s := range []string{"", `a"b\c`, "é☃😀", string(all)} {
		res := model.NewRunner().Run(t.Context(), spec.Request{Source: "return " + spec.Quote(s)})
		if res.Err != nil || res.Result.Text() != s {
			t.Errorf("%q: %+v", s, res)
		}
	}
}
