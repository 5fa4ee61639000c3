package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"kahuna"
)

// workload is one kind of load: a script and its parameters for each call.
type workload struct {
	name   string
	source string
	// fill is run for the keys @from to @to before measuring, to give them a
	// first value, which may be one of @values, of which there are 256; empty
	// when the script does without.
	fill   string
	keys   int
	values []string
	// params sets the parameters of call n.
	params func(p kahuna.Params, rng *rand.Rand, n int64)

	program kahuna.Program
}

const leakyBucket = `let interval = to_int(@interval)
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

if tokens <= 0 then
  return 0
end

set @tokens tokens - 1
set @refill to_int(since) + refill * interval
return 1`

func newWorkload(name string, f *flags) (*workload, error) {
	w := &workload{name: name, keys: f.Keys, values: randomValues(f.ValueSize, f.Seed)}
	random := func(k names) func(kahuna.Params, *rand.Rand, int64) {
		return func(p kahuna.Params, rng *rand.Rand, _ int64) { p["key"] = k.at(rng.IntN(w.keys)) }
	}
	values := make([]any, len(w.values))
	for i, v := range w.values {
		values[i] = v
	}
	withValue := func(k names) func(kahuna.Params, *rand.Rand, int64) {
		return func(p kahuna.Params, rng *rand.Rand, _ int64) {
			p["key"], p["value"] = k.at(rng.IntN(w.keys)), values[rng.IntN(len(values))]
		}
	}
	switch name {
	case "set":
		w.source, w.params = "set @key @value", withValue(newNames("key/", "", w.keys)) // those of get
	case "get":
		w.source, w.params = "return get @key", random(newNames("key/", "", w.keys))
		w.fill = "for i in @from..@to do set (concat('key/', i)) @values[i % 256] end"
	case "cas":
		w.source, w.params = "let v = get @key; set @key to_int(v) + 1 cmprev rev(v)", random(newNames("cas/", "", w.keys))
		w.fill = "for i in @from..@to do set (concat('cas/', i)) 0 end"
	case "counter":
		w.source, w.params = "set @key to_int(get @key) + 1 ex 1h; return get @key", random(newNames("counter/", "", w.keys))
	case "session":
		w.params = withValue(newNames("session/", "", w.keys))
		w.source = "if exists @key then extend @key 30m; return 1 end set @key @value ex 30m; return 0"
	case "inventory":
		w.keys = 1
		w.source = "let n = to_int(get 'inventory'); if n < 1 then return 0 end set 'inventory' n - 1; return 1"
		w.fill = "set 'inventory' 1000000000000"
		w.params = func(kahuna.Params, *rand.Rand, int64) {}
	case "leaky-bucket":
		w.source = leakyBucket
		w.fill = "for i in @from..@to do set (concat('rl/', i, '/tokens')) 1000000000; set (concat('rl/', i, '/refill')) current_time() end"
		tokens, refill := newNames("rl/", "/tokens", w.keys), newNames("rl/", "/refill", w.keys)
		// The bucket never runs empty, so that every call writes both keys.
		interval, capacity := any(1), any(1_000_000_000_000)
		w.params = func(p kahuna.Params, rng *rand.Rand, _ int64) {
			i := rng.IntN(w.keys)
			p["tokens"], p["refill"], p["interval"], p["capacity"] = tokens.at(i), refill.at(i), interval, capacity
		}
	case "transfer":
		k := newNames("acct/", "", w.keys)
		w.source = "let n = @n; set @from to_int(get @from) - n; set @to to_int(get @to) + n"
		w.fill = "for i in @from..@to do set (concat('acct/', i)) 1000 end"
		w.params = func(p kahuna.Params, rng *rand.Rand, _ int64) {
			i, j := rng.IntN(w.keys), rng.IntN(w.keys-1)
			if j >= i {
				j++
			}
			p["from"], p["to"], p["n"] = k.at(i), k.at(j), rng.IntN(100)
		}
	case "script":
		k := newNames("bench/", "", w.keys)
		data, err := os.ReadFile(f.Script.File)
		if err != nil {
			return nil, err
		}
		w.source = string(data)
		w.params = func(p kahuna.Params, rng *rand.Rand, n int64) { p["key"], p["n"] = k.at(rng.IntN(w.keys)), n }
		return w, nil
	default:
		return nil, fmt.Errorf("there is no workload %q", name)
	}
	if f.Ephemeral {
		w.source, w.fill = ephemeral(w.source), ephemeral(w.fill)
	}
	return w, nil
}

// valueCount is how many different values there are: more than a compressor
// remembers, so that the files are about as long as the values.
const valueCount = 256

func randomValues(size int, seed uint64) []string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	rng := rand.New(rand.NewPCG(seed, 0))
	values := make([]string, valueCount)
	for i := range values {
		b := make([]byte, size)
		for j := range b {
			b[j] = letters[rng.IntN(len(letters))]
		}
		values[i] = string(b)
	}
	return values
}

// names makes the names of keys. They are made before measuring, unless there
// are too many to keep: making one costs as much as a small script.
type names struct {
	prefix, suffix string
	made           []any
}

const namesKept = 1 << 20

func newNames(prefix, suffix string, n int) names {
	k := names{prefix: prefix, suffix: suffix}
	if n <= namesKept {
		made := make([]any, n)
		for i := range made {
			made[i] = k.at(i)
		}
		k.made = made
	}
	return k
}

func (k *names) at(i int) any {
	if k.made != nil {
		return k.made[i]
	}
	return k.prefix + strconv.Itoa(i) + k.suffix
}

// ephemeral turns the commands of our own scripts into those of the other
// space.
func ephemeral(source string) string {
	return strings.NewReplacer("get @", "eget @", "get '", "eget '", "set @", "eset @", "set '", "eset '",
		"set (", "eset (", "exists @", "eexists @", "extend @", "eextend @").Replace(source)
}

// fillStep is how many keys are filled by one script: two writes each must
// fit into Limits.WrittenKeys.
const (
	fillStep    = 5000
	fillTimeout = time.Minute
)

// prepare compiles the script and fills the store.
func (w *workload) prepare(ctx context.Context, db subject) error {
	if err := w.compile(db); err != nil {
		return err
	}
	return w.fillStore(ctx, db)
}

func (w *workload) compile(db subject) (err error) {
	if w.program, err = db.Compile(w.source); err != nil {
		return fmt.Errorf("the script does not compile: %w", err)
	}
	return nil
}

// fillStore gives the keys their first values.
func (w *workload) fillStore(ctx context.Context, db subject) error {
	if w.fill == "" {
		return nil
	}
	p, err := db.Compile(w.fill)
	if err != nil {
		return fmt.Errorf("the script that fills the store does not compile: %w", err)
	}
	for from := 0; from < w.keys; from += fillStep {
		to := min(from+fillStep, w.keys) - 1
		// A script waits, and may time out, while the disk does not keep up.
		if _, err := p.Run(ctx, kahuna.Params{"from": from, "to": to, "values": w.values}, &kahuna.RunOptions{Timeout: fillTimeout}); err != nil {
			return fmt.Errorf("filling the store: %w", err)
		}
	}
	return nil
}
