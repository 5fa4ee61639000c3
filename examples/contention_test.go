package examples_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"kahuna"
	"kahuna/examples"
)

// TestUnderContention sends each script a hundred times at once, and counts
// the answers: nobody takes what another one has.
func TestUnderContention(t *testing.T) {
	const calls = 100
	articles := map[string]any{"stock/pen": 1, "stock/ink": 2, "stock/pad": 3}
	for _, c := range []struct {
		file   string
		before string // a script
		params kahuna.Params
		unique bool           // each answer is another one, but for those in want
		want   map[string]int // how often answers and codes of failures come; what is left out is not counted
	}{
		{file: "rate-fixed-window.kh", params: kahuna.Params{"key": "k", "limit": 10, "window_ms": "3600000"}, want: map[string]int{"0": 10}},
		{file: "rate-sliding-window.kh", params: kahuna.Params{"key": "k", "limit": 10, "window_ms": "3600000"}, want: map[string]int{"0": 10}},
		{file: "rate-token-bucket.kh", params: kahuna.Params{"key": "k", "capacity": 10, "refill_ms": "3600000"}, want: map[string]int{"0": 10}},
		{file: "rate-gcra.kh", params: kahuna.Params{"key": "k", "burst": 10, "interval_ms": "3600000"}, want: map[string]int{"0": 10}},
		{file: "queue-push.kh", params: kahuna.Params{"queue": "q", "item": "x"}, unique: true},
		{file: "queue-pop.kh", before: `for i in 1..60 do set (concat("q/", pad_left(to_str(i), 12, "0"))) i end`,
			params: kahuna.Params{"queue": "q"}, unique: true, want: map[string]int{"": 40}},
		{file: "job-push.kh", params: kahuna.Params{"queue": "q", "item": "x"}, unique: true},
		{file: "job-take.kh", params: kahuna.Params{"queue": "q", "visible_ms": "3600000"}, unique: true, want: map[string]int{"": 40},
			before: `for i in 1..60 do
				let due = concat("q/due/", now(), "-", pad_left(to_str(i), 12, "0"))
				set (due) i
				set (concat("q/job/", i)) to_json({item: "x", due: due, tries: 0})
			end`},
		{file: "job-done.kh", before: "set `q/due/1-1` 1 set `q/job/1` '{\"item\":\"x\",\"due\":\"q/due/1-1\",\"tries\":1}'",
			params: kahuna.Params{"queue": "q", "id": 1}, want: map[string]int{"true": 1, "false": calls - 1}},
		{file: "reserve-order.kh", before: "set `stock/pen` 100 set `stock/ink` 50 set `stock/pad` 30",
			params: kahuna.Params{"articles": articles}, want: map[string]int{"3": 10, "sold_out": calls - 10}},
		{file: "session-start.kh", params: kahuna.Params{"sessions": "s", "data": "{}", "ttl_in_seconds": 60},
			want: map[string]int{"too_many": calls - 5}},
		{file: "leaderboard-add.kh", params: kahuna.Params{"board": "b", "player": "ann", "points": 1}, unique: true},
	} {
		t.Run(c.file, func(t *testing.T) {
			db, err := kahuna.OpenMemory(nil)
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			ctx := context.Background()
			if c.before != "" {
				if _, err := db.Run(ctx, c.before, nil, nil); err != nil {
					t.Fatal(err)
				}
			}
			source, err := fs.ReadFile(examples.FS(), c.file)
			if err != nil {
				t.Fatal(err)
			}
			answers := make([]string, calls)
			var wg sync.WaitGroup
			for i := range calls {
				params := kahuna.Params{"id": fmt.Sprint("s", i)}
				for name, value := range c.params {
					params[name] = value
				}
				wg.Go(func() {
					res, err := db.Run(ctx, string(source), params, nil)
					var e *kahuna.Error
					if errors.As(err, &e) && e.UserCode != "" {
						answers[i] = e.UserCode
					} else if err != nil {
						t.Error(err)
					} else {
						answers[i] = res.Text()
					}
				})
			}
			wg.Wait()
			times := map[string]int{}
			for _, a := range answers {
				times[a]++
			}
			for a, n := range c.want {
				if times[a] != n {
					t.Errorf("%q was answered %d times, want %d", a, times[a], n)
				}
				delete(times, a)
			}
			for a, n := range times {
				if c.unique && n > 1 {
					t.Errorf("%q was answered %d times", a, n)
				}
			}
		})
	}
}
