package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"

	"kahuna"
)

// workload is one kind of load: a script and its parameters for each call.
type workload struct {
	source string
	// setup is run once for the keys i to j, to give them a first value.
	setup string
	keys  int
	// params fills the parameters of call n.
	params func(p kahuna.Params, rng *rand.Rand, n int64)

	program *kahuna.Program
}

const leakyBucket = `
let interval = to_int(@interval)
let capacity = to_int(@capacity)
let now = current_time()
let stored = get @tokens
let since = get @refill
if is_null(stored) || is_null(since) then
  set @tokens capacity - 1
  set @refill now
  return 1
end
let refill = max(0, (now - to_int(since)) / interval)
let tokens = min(to_int(stored) + refill, capacity)
if tokens <= 0 then return 0 end
set @tokens tokens - 1
set @refill to_int(since) + refill * interval
return 1`

func newWorkload(f *flags) (*workload, error) {
	value := strings.Repeat("x", f.ValueSize)
	key := func(prefix string) func(p kahuna.Params, rng *rand.Rand, n int64) {
		return func(p kahuna.Params, rng *rand.Rand, _ int64) {
			p["key"] = prefix + strconv.Itoa(rng.IntN(f.Keys))
			p["value"] = value
		}
	}
	w := &workload{keys: f.Keys}
	switch f.Workload {
	case "set":
		w.source, w.params = "set @key @value", key("set/")
	case "get":
		w.source, w.params = "return get @key", key("get/")
		w.setup = "for i in @from..@to do set (concat('get/', i)) repeat('x', " + strconv.Itoa(f.ValueSize) + ") end"
	case "cas":
		w.source, w.params = "let v = get @key; set @key to_int(v) + 1 cmprev rev(v)", key("cas/")
	case "counter":
		w.source, w.params = "set @key to_int(get @key) + 1 ex 1h; return get @key", key("counter/")
	case "session":
		w.source, w.params = "if exists @key then extend @key 30m; return 1 end set @key @value ex 30m; return 0", key("session/")
	case "inventory":
		w.source = "let n = to_int(get 'inventory'); if n < 1 then return 0 end set 'inventory' n - 1; return 1"
		w.setup = "set 'inventory' 1000000000000 nx"
		w.keys = 1
		w.params = func(kahuna.Params, *rand.Rand, int64) {}
	case "leaky-bucket":
		w.source = leakyBucket
		w.params = func(p kahuna.Params, rng *rand.Rand, _ int64) {
			bucket := "rl/" + strconv.Itoa(rng.IntN(f.Keys))
			p["tokens"], p["refill"] = bucket+"/tokens", bucket+"/refill"
			p["interval"], p["capacity"] = 1, 1_000_000
		}
	case "transfer":
		w.source = "let a = to_int(get @from) - @n; set @to to_int(get @to) + @n; set @from a"
		w.params = func(p kahuna.Params, rng *rand.Rand, _ int64) {
			p["from"], p["to"] = "acct/"+strconv.Itoa(rng.IntN(f.Keys)), "acct/"+strconv.Itoa(rng.IntN(f.Keys))
			p["n"] = rng.IntN(100)
		}
	case "script":
		if f.File == "" {
			return nil, fmt.Errorf("name the file: kahuna-bench script FILE")
		}
		data, err := os.ReadFile(f.File)
		if err != nil {
			return nil, err
		}
		w.source = string(data)
		w.params = func(p kahuna.Params, rng *rand.Rand, n int64) {
			p["key"], p["n"] = "bench/"+strconv.Itoa(rng.IntN(f.Keys)), n
		}
	}
	if f.Ephemeral && f.Workload != "script" {
		w.source, w.setup = ephemeral(w.source), ephemeral(w.setup)
	}
	return w, nil
}

// ephemeral turns the commands of our own scripts into those of the other
// space.
func ephemeral(source string) string {
	return strings.NewReplacer("get @", "eget @", "get '", "eget '", "set @", "eset @", "set '", "eset '",
		"set (", "eset (", "exists @", "eexists @", "extend @", "eextend @").Replace(source)
}

// prepare compiles the script and fills the store.
func (w *workload) prepare(ctx context.Context, db *kahuna.DB) error {
	p, err := db.Compile(w.source)
	if err != nil {
		return fmt.Errorf("the script does not compile: %w", err)
	}
	w.program = p
	if w.setup == "" {
		return nil
	}
	const step = 5000
	for from := 0; from < w.keys; from += step {
		to := min(from+step, w.keys) - 1
		if _, err := db.Run(ctx, w.setup, kahuna.Params{"from": from, "to": to}); err != nil {
			return fmt.Errorf("filling the store: %w", err)
		}
	}
	return nil
}
