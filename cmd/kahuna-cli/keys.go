package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"kahuna"
	"kahuna/internal/answer"
	"kahuna/internal/console"
)

// The commands on keys, each what a short script does.
type (
	keyFlag struct {
		Key string `arg:"" help:"The key."`
	}
	setFlags struct {
		Key     string         `arg:"" help:"The key."`
		Value   string         `arg:"" help:"The value, a text; one that begins with - stands behind --."`
		NX      bool           `name:"nx" help:"Only when the key does not exist."`
		XX      bool           `name:"xx" help:"Only when the key exists."`
		TTL     *time.Duration `name:"ttl" help:"Time to live, such as 30s." placeholder:"DURATION"`
		KeepTTL bool           `name:"keepttl" help:"Keep the expiry of a key that exists."`
	}
	delFlags struct {
		Keys []string `arg:"" help:"The keys, deleted together."`
	}
	keysFlags struct {
		Prefix  string `arg:"" optional:"" help:"What the keys begin with; without it all of them."`
		Limit   int    `help:"How many keys at the most; 0 is all." placeholder:"N"`
		Buckets bool   `help:"Print how many keys each bucket has."`
	}
	countFlags struct {
		Prefix string `arg:"" help:"What the keys begin with."`
	}
	historyFlags struct {
		Key   string `arg:"" help:"The key."`
		Limit int    `default:"100" help:"How many versions at the most." placeholder:"N"`
	}
)

// keyCommand runs a command on keys; known is false when it is none.
func (c *cli) keyCommand(command string) (work func(context.Context) int, known bool) {
	f := &c.flags
	script := func(source string, params kahuna.Params) func(context.Context) int {
		return func(ctx context.Context) int {
			c.params = params
			return c.execute(ctx, source)
		}
	}
	switch command {
	case "get":
		return script("get @key", kahuna.Params{"key": f.Get.Key}), true
	case "exists":
		return script("exists @key", kahuna.Params{"key": f.Exists.Key}), true
	case "ttl":
		return script("let value = get @key\nif found then return ttl(value) end\nget @key", kahuna.Params{"key": f.TTL.Key}), true
	case "set":
		source, params := f.Set.script()
		return script(source, params), true
	case "del":
		if len(f.Del.Keys) == 1 {
			return script("delete @key", kahuna.Params{"key": f.Del.Keys[0]}), true
		}
		return script("let n = count(@keys)\nfor key in @keys do\n  delete (key)\n  if not deleted then let n = n - 1 end\nend\nreturn n",
			kahuna.Params{"keys": f.Del.Keys}), true
	case "count":
		if f.Count.Prefix == "" {
			return c.countAll, true
		}
		return script("count by prefix @prefix", kahuna.Params{"prefix": f.Count.Prefix}), true
	case "keys":
		return c.keys, true
	case "history":
		return c.history, true
	case "stats":
		return c.stats, true
	}
	return nil, false
}

func (f *setFlags) script() (source string, params kahuna.Params) {
	source, params = "set @key @value", kahuna.Params{"key": f.Key, "value": f.Value}
	if f.NX {
		source += " nx"
	}
	if f.XX {
		source += " xx"
	}
	if f.TTL != nil {
		source += " ex @ttl"
		params["ttl"] = *f.TTL
	}
	if f.KeepTTL {
		source += " keepttl"
	}
	return source, params
}

// pageBytes is how much of a long answer is written at a time.
const pageBytes = 32 << 10

// keys prints the keys that begin with a prefix, or how many each bucket has. It
// holds a page of keys at a time, or the names of the buckets.
func (c *cli) keys(ctx context.Context) int {
	f := &c.flags.Keys
	buckets := map[string]int64{}
	var page bytes.Buffer
	flush := func() {
		_, err := c.stdout.Write(page.Bytes())
		c.keep(err)
		page.Reset()
	}
	for e, err := range c.db.Prefix(ctx, f.Prefix, &kahuna.RangeOptions{Limit: f.Limit}) {
		if err != nil {
			flush()
			return c.failed(err)
		}
		if f.Buckets {
			buckets[bucketOf(e.Key)]++
			continue
		}
		page.WriteString(c.keyLine(e.Key, nil))
		if page.Len() >= pageBytes {
			if flush(); c.lost != nil {
				return exitFailed
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(buckets)) {
		n := buckets[name]
		page.WriteString(c.keyLine(name, &n))
	}
	flush()
	return exitOK
}

// bucketOf is what stands before the last slash of a key.
func bucketOf(key string) string {
	if i := strings.LastIndexByte(key, '/'); i >= 0 {
		return key[:i]
	}
	return key
}

// keyLine is a line with a key, or with a bucket and how many keys it has.
func (c *cli) keyLine(name string, n *int64) string {
	switch {
	case c.flags.JSON && n == nil:
		return jsonLine(struct {
			Key string `json:"key"`
		}{name})
	case c.flags.JSON:
		return jsonLine(struct {
			Bucket string `json:"bucket"`
			Keys   int64  `json:"keys"`
		}{name, *n})
	case !c.flags.Raw:
		name = console.Text(name)
	}
	if n != nil {
		return fmt.Sprintf("%d %s\n", *n, name)
	}
	return name + "\n"
}

// countAll counts the keys of the whole store, which no single script reads.
func (c *cli) countAll(ctx context.Context) int {
	start := time.Now()
	n := 0
	for _, err := range c.db.Prefix(ctx, "", nil) {
		if err != nil {
			return c.failed(err)
		}
		n++
	}
	res := &kahuna.Result{Type: kahuna.TypeGet, Outcome: kahuna.Applied, Op: kahuna.OpScan,
		Entries: []kahuna.Entry{{Value: fmt.Sprint(n), Kind: kahuna.KindInt, Revision: -1}}}
	c.answer("", nil, answer.Result(res), nil, time.Since(start))
	return exitOK
}

// gapMax is how many revisions in a row that are not kept history looks beyond.
const gapMax = 1000

// history prints the versions of a key that are kept, the newest first, also of
// one that was deleted. They are read one by one: a version may be collected
// meanwhile.
func (c *cli) history(ctx context.Context) int {
	start := time.Now()
	key := kahuna.Params{"key": c.flags.History.Key}
	// A set of what does not exist changes nothing, and tells where it stands.
	res, err := c.db.Run(ctx, "let value = get @key\nif found then return revision(value) end\nset @key '' xx", key, &c.options)
	if err != nil {
		return c.failed(err)
	}
	newest := res.Revision()
	if res.Type == kahuna.TypeGet {
		if newest, err = res.Int(); err != nil {
			return c.failed(err)
		}
	}
	at, err := c.db.Compile("get @key at @revision")
	if err != nil {
		return c.failed(err)
	}
	all := &kahuna.Result{Type: kahuna.TypeGet, Outcome: kahuna.Applied, Op: kahuna.OpGet, List: true}
	for rev, gap := newest, 0; rev >= 0 && gap < gapMax && len(all.Entries) < c.flags.History.Limit; rev-- {
		key["revision"] = rev
		if res, err = at.Run(ctx, key, &c.options); err != nil {
			return c.failed(err)
		}
		if gap++; res.Type == kahuna.TypeGet {
			all.Entries, gap = append(all.Entries, res.First()), 0
		}
	}
	for i := range all.Entries {
		all.Entries[i].Key = "" // it is that of the command
	}
	if len(all.Entries) == 0 {
		all = &kahuna.Result{Type: kahuna.TypeDoesNotExist, Outcome: kahuna.Applied, Op: kahuna.OpGet,
			Entries: []kahuna.Entry{{Revision: newest}}}
	}
	c.answer("", nil, answer.Result(all), nil, time.Since(start))
	return exitOK
}

// stats prints the statistics of the store, one a line.
func (c *cli) stats(context.Context) int {
	db, ok := c.db.(interface{ Stats() kahuna.Stats })
	if !ok {
		return c.failed(errors.New("this store does not tell its statistics"))
	}
	s := db.Stats()
	if c.flags.JSON {
		c.printJSON(s)
		return exitOK
	}
	var b bytes.Buffer
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		name, value := v.Type().Field(i).Name, v.Field(i).Interface()
		if w, ok := value.(kahuna.Wait); ok {
			value = fmt.Sprintf("%d in %v, longest %v", w.Count, w.Total, w.Max)
		}
		fmt.Fprintf(&b, "%-18s %v\n", name, value)
	}
	_, err := c.stdout.Write(b.Bytes())
	c.keep(err)
	return exitOK
}

// failed prints the error of a command and returns its exit status.
func (c *cli) failed(err error) int {
	var e *kahuna.Error
	if errors.As(err, &e) {
		c.answer(e.Source, nil, nil, err, 0)
		return exitOf(err)
	}
	return c.usage("%v", err)
}
