package register

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"kahuna/internal/history"
)

// TestCheck judges the histories of testdata.
func TestCheck(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			ops, err := Parse(d.Input)
			if err != nil {
				t.Fatalf("%s: %v", d.Pos, err)
			}
			if again, err := Parse(Format(ops)); err != nil || Format(again) != Format(ops) {
				t.Errorf("%s: the text form does not read back: %v\n%s", d.Pos, err, Format(ops))
			}
			var needs Needs
			for _, arg := range d.CmdArgs {
				var n int
				arg.Scan(t, 0, &n)
				switch arg.Key {
				case "applied":
					needs.Applied = n
				case "found":
					needs.Found = n
				case "refused":
					needs.Refused = n
				case "overlapping":
					needs.Overlapping = n
				case "expired":
					needs.Expired = n
				default:
					t.Fatalf("%s: no such need: %s", d.Pos, arg.Key)
				}
			}
			return Check(ops, needs, 0).String()
		})
	})
}

// TestTimeout: a check that can not end in time says so.
func TestTimeout(t *testing.T) {
	// Many blind writes at once, and a read of what nobody wrote at the end:
	// every order of the writes is tried.
	var ops []Op
	for i := range 40 {
		ops = append(ops, Op{Span: history.Span{Call: 1, Return: 100}, Key: "k", Outcome: history.Unknown,
			Steps: []Step{{Verb: Set, Value: fmt.Sprint(i), When: Cmp, Want: fmt.Sprint(i * 7 % 40)}, {Verb: Set, Value: fmt.Sprint(i)}}})
	}
	ops = append(ops, Op{Span: history.Span{Call: 101, Return: 102}, Key: "k", Steps: []Step{{Verb: Get, Done: true, Got: "x"}}})
	r := Check(ops, Needs{}, time.Millisecond)
	if r.Verdict != history.Inconclusive || !strings.Contains(r.String(), "no answer") {
		t.Errorf("got %v", r)
	}
}

// TestDamagedHistoriesAreInvalid lets a register run, with overlapping spans,
// and then damages an answer.
func TestDamagedHistoriesAreInvalid(t *testing.T) {
	damaged := 0
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		ops := serial(rng, 40)
		if r := Check(ops, Needs{}, 0); r.Verdict != history.Valid {
			t.Fatalf("seed %d: %v\n%s", seed, r, Format(ops))
		}
		s := &ops[rng.IntN(len(ops))].Steps[0]
		switch rng.IntN(3) {
		case 0:
			s.Rev += 1 + rng.Int64N(2)
		case 1:
			if s.Verb != Get || !s.Done {
				continue
			}
			s.Got = "other"
		case 2:
			if s.Verb == Set && s.When == Always {
				continue
			}
			s.Done = !s.Done
			if s.Done {
				s.Expires = -1
			}
		}
		damaged++
		if r := Check(ops, Needs{}, 0); r.Verdict != history.Invalid {
			t.Fatalf("seed %d: %v\n%s", seed, r, Format(ops))
		}
	}
	if damaged < 100 {
		t.Errorf("only %d histories could be damaged", damaged)
	}
}

// serial makes n operations of a register that ran one after another in the
// middle of their spans.
func serial(rng *rand.Rand, n int) []Op {
	s := start
	now := int64(1000)
	var ops []Op
	for i := range n {
		at := int64(10 * (i + 3))
		now += rng.Int64N(5)
		st := Step{Now: now, Verb: Verb(rng.IntN(5)), Value: fmt.Sprint("v", i), When: Condition(rng.IntN(5)),
			Want: s.value, WantRev: s.rev - rng.Int64N(2), TTL: 5 * rng.Int64N(4)}
		live := s.present() && (s.lo == 0 || now < s.lo)
		st.Done = live
		if st.Verb == Set {
			st.Done = holds(&s, &st, live)
		}
		if st.Done && st.Verb.writes() {
			switch st.Verb {
			case Set:
				s = state{value: st.Value, rev: s.rev + 1}
				s.expireAfter(&st)
			case Delete:
				s = state{rev: s.rev + 1, deleted: true}
			case Extend:
				s.expireAfter(&st)
			}
			if s.own = false; s.lo > 0 {
				s.hi = s.lo
			}
		}
		st.Got, st.Rev, st.Expires = s.value, s.rev, s.lo
		if !st.Done && !st.Verb.writes() {
			st.Rev = -1
		}
		ops = append(ops, Op{Process: i, Key: "k", Span: history.Span{Call: at - rng.Int64N(25), Return: at + 1 + rng.Int64N(25)}, Steps: []Step{st}})
	}
	return ops
}
