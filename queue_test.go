package kahuna

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"kahuna/internal/model"
	"kahuna/spec"
)

// TestPartsAgainstModel runs the same scripts on a store and on the model: reads
// of parts, between writes and deletions that leave many dead rows in front, and
// writes in front of what was deleted. It breaks Invariant PART-9.
func TestPartsAgainstModel(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) {
			db := suite.open(t)
			same := sameAnswers(t, runner{db}, model.NewRunner())
			rnd := rand.New(rand.NewPCG(7, uint64(len(suite.name))))
			same("for i in 1..400 do set (concat('q/', pad_left(to_str(i), 4, '0'))) i end return 1")
			for range 400 {
				key := fmt.Sprintf("q/%04d", rnd.IntN(420))
				n := []int{1, 2, 10, 100, 500}[rnd.IntN(5)]
				switch rnd.IntN(10) {
				case 0:
					same(fmt.Sprintf("set %q %d", key, n))
				case 1:
					same(fmt.Sprintf("delete %q", key))
				case 2:
					same(fmt.Sprintf("delete by bucket q limit %d", n))
				case 3:
					same(fmt.Sprintf("for i in 1..%d do set (concat('q/', pad_left(to_str(i + %d), 4, '0'))) i end return 1", n/5+1, rnd.IntN(400)))
				case 4:
					same(fmt.Sprintf("get by bucket q limit %d after %q", n, key))
				case 5:
					same(fmt.Sprintf("get by bucket q desc limit %d after %q", n, key))
				case 6:
					same(fmt.Sprintf("scan by prefix 'q/0' limit %d", n))
				case 7: // own writes, in front and behind
					same(fmt.Sprintf("set %q 'own' delete (key(first(get by bucket q limit 1)) ?? 'none') return [to_json(get by bucket q limit %d), count by bucket q]", key, n))
				default:
					same(fmt.Sprintf("get by bucket q limit %d", n))
				}
			}
		})
	}
}

// sameAnswers returns a function that runs a script on both and compares what
// they answer.
func sameAnswers(t *testing.T, a, b spec.Runner) func(source string) {
	t.Helper()
	show := func(r spec.Response) string {
		if r.Err != nil {
			return "error " + r.Err.Error()
		}
		text := r.Result.Type.String()
		for _, e := range r.Result.Entries {
			text += fmt.Sprintf(" %s=%q r%d", e.Key, e.Value, e.Revision)
		}
		return text
	}
	return func(source string) {
		t.Helper()
		got, want := show(a.Run(t.Context(), spec.Request{Source: source})), show(b.Run(t.Context(), spec.Request{Source: source}))
		if got != want {
			t.Fatalf("%s\nanswers %.2000s\nwant    %.2000s", source, got, want)
		}
	}
}

// TestHeadsMindTime: a row that was passed because it had ended is shown to
// nobody else either, and one that is written anew is.
func TestHeadsMindTime(t *testing.T) {
	db := openTest(t, "", nil)
	run := func(source string) string {
		t.Helper()
		res, err := db.Run(t.Context(), source, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return res.Text()
	}
	run("for i in 1001..1200 do set (concat('q/', i)) i ex 5 end set 'q/2000' 'last' return 1")
	run("sleep 10ms return 1")
	for range 3 {
		if got := run("get by bucket q limit 1"); got != "last" {
			t.Fatalf("the first is %q", got)
		}
	}
	run("set 'q/1100' 'again'")
	if got := run("get by bucket q limit 1"); got != "again" {
		t.Fatalf("the first is %q after one was written in front", got)
	}
	if got := run("delete by bucket q limit 1 get by bucket q limit 1"); got != "last" {
		t.Fatalf("the first is %q after that was deleted", got)
	}
}
