package kahuna

import (
	"context"
	"fmt"
	"hash/maphash"
	"maps"
	"math/rand/v2"
	"strings"

	"kahuna/internal/model"
	"kahuna/script"
	"kahuna/spec"
)

// world is a state that the store may be in.
type world struct {
	model   *model.Runner
	answers map[string]string // of idempotency keys, as they were first given
	print   uint64            // of all that can be seen of it
}

// ask is one thing to ask of a store, and what it means in the model.
type ask struct {
	what string // for people
	// source is the script that does the same.
	source string
	key    string // idempotency key
	// reads says that it can not have an effect.
	reads bool
	run   func(ctx context.Context, db *DB) (string, error)
	exact string // the result of the last run with success, with its times
	// see renders the model's response as run renders the store's.
	see func(spec.Response) string
}

func (a *ask) usesEphemeral() bool {
	for _, c := range []string{"eset", "eget", "edelete", "eextend", "eexists", "escan"} {
		if strings.Contains(a.source, c) {
			return true
		}
	}
	return false
}

// after returns what a gets in w, and the world after it, which is w when a has
// no effect.
func (w *world) after(a *ask, keys []string) (answer string, next *world) {
	if a.key != "" {
		if first, ok := w.answers[a.key]; ok {
			return first, w
		}
	}
	m := w.model.Clone()
	resp := m.Run(context.Background(), spec.Request{Source: a.source})
	answer = a.see(resp)
	if resp.Err != nil {
		return answer, w
	}
	next = &world{m, w.answers, 0}
	if a.key != "" {
		next.answers = maps.Clone(w.answers)
		next.answers[a.key] = answer
	}
	next.print = next.fingerprint(keys)
	if next.print == w.print {
		return answer, w
	}
	return answer, next
}

var printSeed = maphash.MakeSeed()

// fingerprint folds everything that everything can see of a world.
func (w *world) fingerprint(keys []string) uint64 {
	var h maphash.Hash
	h.SetSeed(printSeed)
	for _, space := range []script.Space{script.Persistent, script.Ephemeral} {
		for _, key := range keys {
			rows := w.model.Store.History(space, key)
			for i, r := range rows {
				if r.Deleted && i+1 < len(rows) {
					continue // can not be told from a version that is not kept
				}
				fmt.Fprintf(&h, "%s %d %v %v ", key, r.Revision, r.Deleted, r.Expires != 0)
				h.WriteString(r.Value)
			}
		}
	}
	var sum uint64
	for key, answer := range w.answers {
		sum += maphash.String(printSeed, key+"\x00"+answer)
	}
	return h.Sum64() + sum
}

// worlds are those the store may be in, all different.
type worlds []*world

func newWorlds(keys []string) worlds {
	w := &world{model: model.NewRunner(), answers: map[string]string{}}
	w.print = w.fingerprint(keys)
	return worlds{w}
}

func (ws worlds) has(w *world) bool {
	for _, o := range ws {
		if o.print == w.print {
			return true
		}
	}
	return false
}

func (ws worlds) with(w *world) worlds {
	if ws.has(w) {
		return ws
	}
	return append(ws, w)
}

// answered returns the worlds after a was answered so.
func (ws worlds) answered(a *ask, answer string, keys []string) (next worlds) {
	for _, w := range ws {
		if got, after := w.after(a, keys); got == answer {
			next = next.with(after)
		}
	}
	return next
}

// maybe returns the worlds when nobody knows whether a was done.
func (ws worlds) maybe(a *ask, keys []string) worlds {
	next := append(worlds(nil), ws...)
	for _, w := range ws {
		_, after := w.after(a, keys)
		next = next.with(after)
	}
	return next
}

// reopened returns the worlds without their ephemeral space.
func (ws worlds) reopened(keys []string) (next worlds) {
	for _, w := range ws {
		o := &world{w.model.Clone(), w.answers, 0}
		o.model.Store.ClearEphemeral()
		o.print = o.fingerprint(keys)
		next = next.with(o)
	}
	return next
}

// campaignKeys are the keys that drawScript uses.
func campaignKeys(prefix string) (keys []string) {
	for _, k := range []string{"a", "a/", "a/b", "a/c", "a/b/c", "b", "a-b/c", "/x"} {
		keys = append(keys, prefix+k)
	}
	for _, first := range []string{"v", "n", "i", "t"} { // of values, see drawScript
		keys = append(keys, prefix+"a/"+first)
	}
	for digit := range 10 {
		keys = append(keys, fmt.Sprint(prefix, "a/", digit))
	}
	return keys
}

// everything asks for all that can be seen of the keys: value, revision and
// expiry, the revision of a tombstone, every older version.
func everything(ws worlds, keys []string) *ask {
	var b strings.Builder
	b.WriteString("return [0")
	for _, key := range keys {
		last := int64(-1)
		for _, w := range ws {
			if h := w.model.Store.History(script.Persistent, key); len(h) > 0 {
				last = max(last, h[len(h)-1].Revision)
			}
		}
		fmt.Fprintf(&b, ", (get '%s'), rev(set '%s' 1 cmprev 999999)", key, key)
		for rev := range last + 2 {
			fmt.Fprintf(&b, ", (get '%s' at %d), (exists '%s' at %d)", key, rev, key, rev)
		}
	}
	b.WriteString("]")
	a := scriptAsk(b.String(), "")
	a.what, a.reads = "everything", true
	return a
}

// scriptAsk asks a script, with an idempotency key unless that is empty.
func scriptAsk(source, key string) *ask {
	a := &ask{what: source, source: source, key: key, see: answer}
	a.run = func(ctx context.Context, db *DB) (string, error) {
		res, err := db.Run(ctx, source, nil, &RunOptions{IdempotencyKey: key})
		if err == nil {
			a.exact = fmt.Sprint(res.Type, res.Op, res.Entries)
		}
		return answer(response(res, err)), err
	}
	return a
}

// drawCall draws a typed call.
func drawCall(rng *rand.Rand, keys []string) *ask {
	key := keys[rng.IntN(len(keys))]
	e := [...]string{"", "e"}[rng.IntN(2)]
	in := func(db *DB) Space {
		if e == "e" {
			return db.Ephemeral()
		}
		return db
	}
	wrote := func(w WriteResult, err error) (string, error) {
		return fmt.Sprintf("%v r%d", w.Done, w.Revision), err
	}
	a := &ask{see: func(r spec.Response) string {
		if r.Err != nil {
			return answer(r)
		}
		t := r.Result.Type
		return fmt.Sprintf("%v r%d", t == script.TypeSet || t == script.TypeDeleted || t == script.TypeExtended, r.Result.Revision())
	}}
	switch rng.IntN(5) {
	case 0, 1:
		value := fmt.Sprint("t", rng.IntN(4))
		var o SetOptions
		flags := ""
		switch rng.IntN(6) {
		case 0:
			o.NX, flags = true, "nx"
		case 1:
			o.XX, flags = true, "xx"
		case 2:
			o.NoHistory, flags = true, "norev"
		case 3:
			rev := int64(rng.IntN(6) - 1)
			o.Revision, flags = &rev, fmt.Sprint("cmprev ", rev)
		case 4:
			equals := fmt.Sprint("t", rng.IntN(4))
			o.Equals, flags = &equals, "cmp '"+equals+"'"
		}
		a.source = fmt.Sprintf("%sset '%s' '%s' %s", e, key, value, flags)
		a.run = func(ctx context.Context, db *DB) (string, error) { return wrote(in(db).Set(ctx, key, value, &o)) }
	case 2:
		a.source = fmt.Sprintf("%sdelete '%s'", e, key)
		a.run = func(ctx context.Context, db *DB) (string, error) { return wrote(in(db).Delete(ctx, key)) }
	case 3:
		a.source = fmt.Sprintf("%sextend '%s' 0", e, key)
		a.run = func(ctx context.Context, db *DB) (string, error) { return wrote(in(db).Extend(ctx, key, 0)) }
	case 4:
		a.reads = true
		a.source = fmt.Sprintf("%sget '%s'", e, key)
		show := func(value string, ok bool, revision int64) string {
			return fmt.Sprintf("%q %v r%d", value, ok, revision)
		}
		a.see = func(r spec.Response) string {
			e := r.Result.First()
			if !e.HasValue {
				e.Revision = -1
			}
			return show(e.Value, e.HasValue, e.Revision)
		}
		a.run = func(ctx context.Context, db *DB) (string, error) {
			e, ok, err := in(db).Get(ctx, key)
			return show(e.Value, ok, e.Revision), err
		}
	}
	a.what = "call: " + a.source
	return a
}

// drawTx draws an interactive transaction of a few statements.
func drawTx(rng *rand.Rand, keys []string, first string) *ask {
	statements := []string{first}
	for range 1 + rng.IntN(4) {
		key := keys[rng.IntN(len(keys))]
		statements = append(statements, [...]string{
			fmt.Sprintf("set '%s' 'i%d'", key, rng.IntN(4)),
			fmt.Sprintf("delete '%s'", key),
			fmt.Sprintf("set '%s' 'i' nx", key),
			fmt.Sprintf("get '%s'", key),
		}[rng.IntN(4)])
	}
	optimistic := rng.IntN(3) == 0
	a := &ask{source: strings.Join(statements, "\n"), see: answer}
	a.what = "transaction: " + a.source
	a.run = func(ctx context.Context, db *DB) (last string, err error) {
		tx, err := db.Begin(ctx, &TxOptions{Optimistic: optimistic})
		if err != nil {
			return "", err
		}
		defer tx.Rollback()
		for _, s := range statements {
			if s == "" {
				continue
			}
			res, err := tx.Run(ctx, s, nil, nil)
			if err != nil {
				return "", err
			}
			last = answer(response(res, nil))
		}
		return last, tx.Commit(ctx)
	}
	return a
}
