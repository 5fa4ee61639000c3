package kahuna

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"kahuna/internal/history"
	"kahuna/internal/listappend"
)

// Lists are rows whose value is the last part of their key and, with commas, the
// elements that were appended: "a,3,17". Leases are such rows with one element
// and a time to live.

var listNames = []string{"l/a", "l/b", "l/c"}

// listOp is one operation of a transaction, as source and as what it means.
type listOp struct {
	source  string   // with %s for each parameter's name
	params  []int    // elements
	returns string   // a variable of the source, "" for none
	space   string   // "" or "e"
	names   []string // of the rows it touches
	lease   bool
	bucket  bool
	// means turns what was returned into history; entry is nil when nothing
	// is. label adds the space to the name of a row.
	means func(e *Entry, label func(name string) string) ([]listappend.Op, error)
}

// label is a row's name in the history: an ephemeral one begins anew with each
// life.
func label(space string, life int, name string) string {
	if space == "e" {
		return fmt.Sprintf("e%d:%s", life, name)
	}
	return "p:" + name
}

// listValue reads the value of a row. A row that is not there is empty.
func listValue(name string, e *Entry) ([]int, error) {
	if e.Kind == KindNull {
		return nil, nil
	}
	return parseList(name, e.Value)
}

func parseList(name, value string) ([]int, error) {
	first, rest, _ := strings.Cut(value, ",")
	if first != name[strings.IndexByte(name, '/')+1:] {
		return nil, fmt.Errorf("%s has the value %q", name, value)
	}
	var list []int
	for _, word := range strings.Split(rest, ",") {
		n, err := strconv.Atoi(word)
		if err != nil {
			return nil, fmt.Errorf("%s has the value %q", name, value)
		}
		list = append(list, n)
	}
	return list, nil
}

func last(name string) string { return name[strings.IndexByte(name, '/')+1:] }

// drawListOps draws the operations of a transaction.
func (c *client) drawListOps(l *life, persistent, onlyReads, instant bool) []listOp {
	var ops []listOp
	leases := 0
	for n := 1 + c.rng.IntN(4); n > 0; n-- {
		space := []string{"", "e"}[c.rng.IntN(2)]
		if persistent {
			space = ""
		}
		name := listNames[c.rng.IntN(len(listNames))]
		v := fmt.Sprint("v", len(ops))
		kind := c.rng.IntN(12)
		if onlyReads && kind < 6 {
			kind += 6
		}
		if kind >= 8 && kind <= 10 || kind == 5 {
			if leases++; leases > 1 && !instant {
				kind = 6 // who lets time pass sees one lease, once
			}
		}
		switch kind {
		case 0, 1, 2, 3, 4:
			ops = append(ops, c.appendTo(space, name, v, kind))
		case 5:
			ops = append(ops, c.setLease(l, space, v))
		case 8, 9:
			if op, ok := c.readLease(l, v, persistent); ok {
				ops = append(ops, op)
			}
		case 10:
			ops = append(ops, c.readLeases(l, space, v))
		case 7:
			ops = append(ops, readBucket(space, v, c.rng.IntN(2) == 0))
		default:
			ops = append(ops, c.readList(space, name, v))
		}
	}
	if len(ops) == 0 {
		ops = append(ops, c.readList("", listNames[0], "v0"))
	}
	return ops
}

func (c *client) element() int { return int(c.run.elems.Add(1)) }

// appendTo appends an element: having read the list, or blindly, or reading it
// afterwards.
func (c *client) appendTo(space, name, v string, kind int) listOp {
	elem := c.element()
	k := c.key(name, c.rng.IntN(6) == 0)
	op := listOp{params: []int{elem}, space: space, names: []string{name}}
	set := fmt.Sprintf("%sset %s concat(%%s, ',', %%s)", space, k)
	write := listappend.Op{Kind: listappend.Append, Elem: elem}
	read := func(e *Entry, key string) (listappend.Op, error) {
		list, err := listValue(name, e)
		return listappend.Op{Kind: listappend.Read, Key: key, List: list}, err
	}
	switch kind {
	case 0: // blindly
		op.source = fmt.Sprintf(set, fmt.Sprintf("%sget %s ?? '%s'", space, k, last(name)), "%s")
		op.means = func(_ *Entry, label func(string) string) ([]listappend.Op, error) {
			write.Key = label(name)
			return []listappend.Op{write}, nil
		}
	case 1: // and then read
		op.source = fmt.Sprintf(set, fmt.Sprintf("%sget %s ?? '%s'", space, k, last(name)), "%s") + fmt.Sprintf("; let %s = %sget %s", v, space, k)
		op.returns = v
		op.means = func(e *Entry, label func(string) string) ([]listappend.Op, error) {
			write.Key = label(name)
			r, err := read(e, write.Key)
			return []listappend.Op{write, r}, err
		}
	default:
		op.source = fmt.Sprintf("let %s = %sget %s; ", v, space, k) + fmt.Sprintf(set, fmt.Sprintf("%s ?? '%s'", v, last(name)), "%s")
		op.returns = v
		op.means = func(e *Entry, label func(string) string) ([]listappend.Op, error) {
			write.Key = label(name)
			r, err := read(e, write.Key)
			return []listappend.Op{r, write}, err
		}
	}
	return op
}

func (c *client) readList(space, name, v string) listOp {
	k := c.key(name, c.rng.IntN(6) == 0)
	return listOp{source: fmt.Sprintf("let %s = %sget %s", v, space, k), returns: v, space: space, names: []string{name},
		means: func(e *Entry, label func(string) string) ([]listappend.Op, error) {
			list, err := listValue(name, e)
			return []listappend.Op{{Kind: listappend.Read, Key: label(name), List: list}}, err
		}}
}

// readBucket reads all lists of a space at once.
func readBucket(space, v string, prefix bool) listOp {
	read := "get by bucket l"
	if prefix {
		read = "scan by prefix 'l/'"
	}
	return listOp{source: fmt.Sprintf("let %s = to_json(%s%s)", v, space, read), returns: v, space: space, names: listNames, bucket: true,
		means: func(e *Entry, label func(string) string) ([]listappend.Op, error) {
			var values []string
			if err := json.Unmarshal([]byte(e.Value), &values); err != nil {
				return nil, err
			}
			return scanned(values, label)
		}}
}

// scanned is the meaning of a read of the bucket of all lists.
func scanned(values []string, label func(string) string) ([]listappend.Op, error) {
	var ops []listappend.Op
	for _, name := range listNames {
		op := listappend.Op{Kind: listappend.Scan, Key: label(name)}
		for _, value := range values {
			if strings.HasPrefix(value, last(name)+",") {
				var err error
				if op.List, err = parseList(name, value); err != nil {
					return nil, err
				}
			}
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// setLease sets a new row that will end.
func (c *client) setLease(l *life, space, v string) listOp {
	elem := c.element()
	ttl := c.ttl(3, 40)
	r := c.run
	r.mu.Lock()
	row := leaseRow{space: space, no: elem, elem: elem, life: l.no}
	r.leases = append(r.leases, row)
	r.mu.Unlock()
	name := fmt.Sprint("t/", row.no)
	return listOp{source: fmt.Sprintf("%sset `%s` concat('%d,', %%s) ex %d; let %s = %sget `%s`", space, name, row.no, ttl, v, space, name),
		params: []int{elem}, returns: v, space: space, names: []string{name}, lease: true,
		means: func(e *Entry, label func(string) string) ([]listappend.Op, error) {
			op := listappend.Op{Kind: listappend.Lease, Key: label(name), Elem: elem}
			if e != nil {
				op.Until = unixMs(e.Expires)
			}
			return []listappend.Op{op}, nil
		}}
}

// recentLeases returns rows that were set, or are being set, lately.
func (c *client) recentLeases(l *life) []leaseRow {
	c.run.mu.Lock()
	defer c.run.mu.Unlock()
	var rows []leaseRow
	for i := len(c.run.leases) - 1; i >= 0 && len(rows) < 8; i-- {
		if row := c.run.leases[i]; row.space == "" || row.life == l.no {
			rows = append(rows, row)
		}
	}
	return rows
}

func (c *client) readLease(l *life, v string, persistent bool) (listOp, bool) {
	rows := c.recentLeases(l)
	if len(rows) == 0 {
		return listOp{}, false
	}
	row := rows[c.rng.IntN(len(rows))]
	if persistent && row.space != "" {
		return listOp{}, false
	}
	name := fmt.Sprint("t/", row.no)
	read := "get"
	if c.rng.IntN(3) == 0 {
		read = "exists"
	}
	return listOp{source: fmt.Sprintf("let %s = %s%s `%s`", v, row.space, read, name), returns: v, space: row.space, names: []string{name}, lease: true,
		means: func(e *Entry, label func(string) string) ([]listappend.Op, error) {
			op := listappend.Op{Kind: listappend.Read, Key: label(name)}
			if read == "exists" {
				if e.Value == "true" {
					op.List = []int{row.elem}
				}
				return []listappend.Op{op}, nil
			}
			var err error
			op.List, err = listValue(name, e)
			return []listappend.Op{op}, err
		}}, true
}

// readLeases reads the bucket of all leases of a space; it says something of
// those that were set lately, and of every other that is there.
func (c *client) readLeases(l *life, space, v string) listOp {
	rows := c.recentLeases(l)
	return listOp{source: fmt.Sprintf("let %s = to_json(%sget by bucket t)", v, space), returns: v, space: space, lease: true, bucket: true,
		means: func(e *Entry, label func(string) string) ([]listappend.Op, error) {
			var values []string
			if err := json.Unmarshal([]byte(e.Value), &values); err != nil {
				return nil, err
			}
			found := map[string][]int{}
			var names []string
			for _, row := range rows {
				if row.space == space {
					name := fmt.Sprint("t/", row.no)
					names = append(names, name)
					found[name] = nil
				}
			}
			for _, value := range values {
				no, _, _ := strings.Cut(value, ",")
				name := "t/" + no
				list, err := parseList(name, value)
				if err != nil {
					return nil, err
				}
				if _, ok := found[name]; !ok {
					names = append(names, name)
				}
				found[name] = list
			}
			var ops []listappend.Op
			for _, name := range names {
				ops = append(ops, listappend.Op{Kind: listappend.Scan, Key: label(name), List: found[name]})
			}
			return ops, nil
		}}
}

// listRequest is a transaction over lists as a script.
type listRequest struct {
	source string
	params Params
	ops    []listOp
	txn    listappend.Txn
	key    string // its idempotency key
}

// source makes a script of operations, with something between them.
func (c *client) source(ops []listOp, slow int, suffix string) (string, Params) {
	var b strings.Builder
	params := Params{}
	var returns []string
	at := c.rng.IntN(len(ops) + 1)
	for i := range ops {
		if i == at {
			b.WriteString(c.interrupt(slow))
		}
		var names []any
		for _, elem := range ops[i].params {
			name := fmt.Sprint("e", elem)
			params[name] = elem
			names = append(names, "@"+name)
		}
		fmt.Fprintf(&b, ops[i].source+"\n", names...)
		if ops[i].returns != "" {
			returns = append(returns, ops[i].returns)
		}
	}
	if at == len(ops) {
		b.WriteString(c.interrupt(slow))
	}
	b.WriteString(suffix)
	fmt.Fprintf(&b, "return [%s]", strings.Join(returns, ", "))
	return b.String(), params
}

// mean turns the answer of a script into history. Without one, only what the
// script would have written counts.
func mean(ops []listOp, res *Result, life int) ([]listappend.Op, error) {
	var meant []listappend.Op
	at := 0
	for i := range ops {
		op := &ops[i]
		var e *Entry
		if op.returns != "" && res != nil {
			e = &res.Entries[at]
			at++
		}
		list, err := op.meaning(e, life)
		if err != nil {
			return nil, err
		}
		meant = append(meant, list...)
	}
	return meant, nil
}

func (o *listOp) meaning(e *Entry, life int) ([]listappend.Op, error) {
	name := func(name string) string { return label(o.space, life, name) }
	if e == nil && o.returns != "" {
		if len(o.params) == 0 {
			return nil, nil
		}
		if o.lease {
			return o.means(nil, name)
		}
		list, err := o.means(&Entry{}, name)
		for _, op := range list {
			if op.Kind == listappend.Append {
				return []listappend.Op{op}, err
			}
		}
		return nil, err
	}
	return o.means(e, name)
}

// tagsOf says what a transaction shows beside its path.
func tagsOf(ops []listOp) []string {
	var tags []string
	spaces := map[string]bool{}
	bucket := false
	for i := range ops {
		spaces[ops[i].space] = true
		bucket = bucket || ops[i].bucket
	}
	if len(spaces) == 2 {
		tags = append(tags, "both spaces")
	}
	if bucket {
		tags = append(tags, "bucket")
	}
	return tags
}

// listTxn runs one transaction over lists.
func (c *client) listTxn(l *life) {
	switch c.rng.IntN(10) {
	case 0, 1, 2:
		c.interactive(l)
		return
	case 3:
		c.listCall(l)
		return
	}
	slow := c.slowness()
	idempotent := c.rng.IntN(8) == 0
	q := &listRequest{ops: c.drawListOps(l, idempotent, false, slow != 1)}
	suffix := ""
	if c.rng.IntN(12) == 0 {
		suffix = "throw 'on purpose'\n"
	}
	q.source, q.params = c.source(q.ops, slow, suffix)
	q.txn.Instant = slow != 1
	q.txn.Tags = append(c.pathTags(q.source, false), tagsOf(q.ops)...)
	if idempotent {
		q.key = fmt.Sprintf("%d-%d", c.no, c.element())
		q.txn.Tags = append(q.txn.Tags, "idempotent")
	}
	q.txn.Call = c.run.next()
	c.send(l, q)
}

// send sends a request, one with an idempotency key several times, and records
// what became of it.
func (c *client) send(l *life, q *listRequest) {
	ctx, cancel := c.context()
	defer cancel()
	options := &RunOptions{Timeout: 30 * time.Second, IdempotencyKey: q.key}
	var other chan *Result
	if q.key != "" && c.rng.IntN(2) == 0 {
		other = make(chan *Result, 1)
		go func() {
			res, _ := l.db.Run(context.Background(), q.source, q.params, options)
			other <- res
		}()
	}
	res, err := l.db.Run(ctx, q.source, q.params, options)
	if q.key != "" && err == nil && c.rng.IntN(2) == 0 {
		again, err := l.db.Run(context.Background(), q.source, q.params, options)
		c.sameAnswer(q, res, again, err)
	}
	if other != nil {
		if second := <-other; res == nil {
			if second != nil {
				res, err = second, nil
			}
		} else if second != nil {
			c.sameAnswer(q, res, second, nil)
		}
	}
	outcome := c.outcome(q.source, err)
	if q.key != "" && outcome == history.Unknown && l.no < c.run.plan.lives-1 {
		c.pending = append(c.pending, q)
		return
	}
	c.finish(l, q.txn, q.ops, res, outcome, q.source)
}

func (c *client) sameAnswer(q *listRequest, a, b *Result, err error) {
	if err != nil {
		if !errors.Is(err, ErrClosed) {
			c.outcome("a repeated request", err)
		}
		return
	}
	if fmt.Sprint(a.Type, a.Entries) != fmt.Sprint(b.Type, b.Entries) {
		c.run.problem("two answers to one request %s: %v and %v", q.key, a.Entries, b.Entries)
	}
}

// undated takes back the ends of leases that were set outside the executor: what
// the script saw of them is provisional.
func undated(ops []listappend.Op) {
	for i := range ops {
		ops[i].Until = 0
	}
}

// finish records a transaction.
func (c *client) finish(l *life, t listappend.Txn, ops []listOp, res *Result, outcome history.Outcome, what string) {
	t.Return = c.run.next()
	if outcome != history.Applied {
		res = nil
	}
	if outcome == history.Unknown {
		t.Return = history.Never
	}
	t.Outcome = outcome
	var err error
	if t.Ops, err = mean(ops, res, l.no); err != nil {
		c.run.problem("%s: %v", what, err)
		return
	}
	// A range that is written again and again while it is read takes a script
	// from the fast path.
	if !slices.Contains(t.Tags, "fast") || slices.Contains(t.Tags, "bucket") {
		undated(t.Ops)
	}
	c.run.recordTxn(t)
}

// listCall reads a bucket, or a page, by a call.
func (c *client) listCall(l *life) {
	ctx, cancel := c.context()
	defer cancel()
	t := listappend.Txn{Instant: true, Tags: []string{"point"}}
	t.Call = c.run.next()
	space, name := Space(l.db), ""
	if c.rng.IntN(2) == 0 {
		space, name = l.db.Ephemeral(), "e"
	}
	var rows []Entry
	var err error
	if c.rng.IntN(2) == 0 {
		rows, err = Collect(space.Bucket(ctx, "l", nil))
	} else {
		rows, err = Collect(space.Prefix(ctx, "l/", nil))
	}
	t.Return = c.run.next()
	if t.Outcome = c.outcome("bucket", err); t.Outcome != history.Applied {
		return
	}
	var values []string
	for _, row := range rows {
		values = append(values, row.Value)
	}
	if t.Ops, err = scanned(values, func(n string) string { return label(name, l.no, n) }); err != nil {
		c.run.problem("bucket: %v", err)
		return
	}
	c.run.recordTxn(t)
}

// finalReads reads everything once all clients have ended.
func finalReads(r *historyRun, l *life) {
	c := newClient(r, r.plan.clients)
	for _, space := range []string{"", "e"} {
		q := &listRequest{ops: []listOp{readBucket(space, "v0", false)}}
		q.source, q.params = c.source(q.ops, 0, "")
		q.txn.Call = r.next()
		res, err := l.db.Run(context.Background(), q.source, q.params, nil)
		c.finish(l, q.txn, q.ops, res, c.outcome("the last read", err), q.source)
		for _, name := range registerNames {
			c.finalRegister(l, space, name)
		}
	}
}
