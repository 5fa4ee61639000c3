package script

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"kahuna/script/check"
	"kahuna/script/syntax"
)

// The oracle is a second implementation of the language's meaning: a walk over
// the tree that says as plainly as possible what language.md says, in one
// file, without regard to speed. It shares with the compiled form only the
// operations on values. Package script_test runs both on the same scripts and
// compares everything.

// Oracle runs a call by walking its tree. It has the contract of Call.Run.
func Oracle(c *Call, tx Tx, in *Interrupt, budget int64) (r *Result, err error) {
	p := c.prog
	tree, diags := syntax.Parse(p.source, syntax.Limits{
		SourceBytes: p.limits.SourceBytes, Statements: p.limits.Statements, Nesting: p.limits.Nesting,
	})
	if firstError(diags) != nil {
		panic("the oracle needs a script that compiles")
	}
	o := &oracle{
		call: c, tree: tree, tx: tx, in: in, budget: budget, limits: p.limits,
		vars: map[string]Value{}, guards: map[syntax.GuardKind]bool{}, wrote: map[string]bool{},
		params: map[string]Value{},
	}
	for i, ph := range p.params {
		o.params[ph.name] = c.params[i]
	}
	o.meter = newMeter(&o.limits)
	o.meter.memory = c.given
	o.env = callEnv{meter: o.meter, tx: tx}
	defer func() {
		if e := recover(); e != nil {
			f, ok := e.(failure)
			if !ok {
				panic(e)
			}
			r, err = nil, f.err
		}
	}()
	how := o.block(tree.Body)
	if how != "commit" && !c.options.AutoCommit {
		return nil, errf(CodeRollback, "transaction was not committed")
	}
	return o.result(), nil
}

type failure struct{ err error }

type oracle struct {
	call   *Call
	tree   *syntax.Script
	tx     Tx
	in     *Interrupt
	limits Limits
	budget int64
	meter  *meter
	// emptyKey tells that the key to come may be empty.
	emptyKey bool
	env      callEnv
	params   map[string]Value
	vars     map[string]Value
	guards   map[syntax.GuardKind]bool // present once a command ran; true when it had no effect
	wrote    map[string]bool
	bytes    int64
	answer   int64
	steps    int64
	rows     int64

	// the last result
	typ     Type
	op      Op
	entries []Entry
	value   *Value // of a let or return
	pos     syntax.Pos
}

// fail ends the script with an error at pos.
func (o *oracle) fail(pos syntax.Pos, err error) {
	if e, ok := err.(*Error); ok && e.Line == 0 {
		c := *e
		c.Line, c.Column = int(pos.Line), int(pos.Column)
		lines := strings.Split(strings.ReplaceAll(strings.ReplaceAll(o.tree.Source, "\r\n", "\n"), "\r", "\n"), "\n")
		c.Source = lines[pos.Line-1]
		err = &c
	}
	panic(failure{err})
}

// must is fail when a value operation failed.
func (o *oracle) must(pos syntax.Pos, e *Error) {
	if e != nil {
		o.fail(pos, e)
	}
}

func (o *oracle) step(pos syntax.Pos) {
	if err := o.in.Err(); err != nil {
		o.fail(pos, err)
	}
	if o.steps >= o.limits.Steps {
		o.must(pos, limitf("Steps", "script runs too long: more than %d steps", o.limits.Steps))
	}
	if o.budget > 0 && o.steps+o.rows >= o.budget {
		panic(failure{ErrSlowPath})
	}
	o.steps++
}

// ---- statements ----

// block runs statements. It returns "" when it comes out at the end, else
// "break", "continue", "return" or "commit".
func (o *oracle) block(stmts []syntax.Stmt) string {
	for i, s := range stmts {
		o.step(s.Position())
		if _, ok := s.(*syntax.Commit); ok {
			if i+1 < len(stmts) {
				if r, ok := stmts[i+1].(*syntax.Return); ok && r.X != nil {
					o.step(r.Pos)
					o.stmt(r)
				}
			}
			return "commit"
		}
		if how := o.stmt(s); how != "" {
			return how
		}
	}
	return ""
}

func (o *oracle) stmt(s syntax.Stmt) string {
	switch s := s.(type) {
	case *syntax.CommandStmt:
		o.statementCommand(s.Command)
	case *syntax.Let:
		v := o.eval(s.X)
		o.vars[s.Name] = v
		if !oracleCommand(s.X) {
			o.remember(OpLet, v, s.Pos)
		}
	case *syntax.If:
		for i, b := range s.Branches {
			word := "if"
			if i > 0 {
				word = "elseif"
			}
			if o.condition(word, o.eval(b.Cond), b.Pos) {
				return o.block(b.Body)
			}
		}
		return o.block(s.Else)
	case *syntax.Switch:
		v := o.eval(s.X)
		for _, c := range s.Cases {
			for _, x := range c.Values {
				w := o.eval(x)
				if o.equal(&v, &w) {
					return o.block(c.Body)
				}
			}
		}
		return o.block(s.Else)
	case *syntax.For:
		return o.loop(s)
	case *syntax.While:
		for {
			o.step(s.Pos)
			if !o.condition("while", o.eval(s.Cond), s.Pos) {
				break
			}
			if how := o.block(s.Body); how == "break" {
				break
			} else if how == "return" || how == "commit" {
				return how
			}
		}
	case *syntax.Break:
		return "break"
	case *syntax.Continue:
		return "continue"
	case *syntax.Rollback:
		panic(failure{errf(CodeRollback, "transaction rolled back")})
	case *syntax.Return:
		if oracleCommand(s.X) {
			o.statementCommand(s.X)
		} else if s.X != nil {
			o.remember(OpReturn, o.eval(s.X), s.Pos)
		}
		return "return"
	case *syntax.Throw:
		o.throw(s.X, s.Code, s.Pos)
	case *syntax.Assert:
		if !o.condition("assert", o.eval(s.Cond), s.Pos) {
			o.throw(s.Message, s.Code, s.Pos)
		}
	case *syntax.Sleep:
		v := o.eval(s.X)
		ms, e := whole(v, "sleep")
		o.must(s.Pos, e)
		if ms < 0 || ms > o.limits.SleepMs {
			o.must(s.Pos, errf(CodeRange, "sleep must be 0 to %d, got %d", o.limits.SleepMs, ms))
		}
		if ms > 0 {
			o.check(s.Pos, o.tx.Sleep(ms))
			o.check(s.Pos, o.in.Err())
		}
	}
	return ""
}

func (o *oracle) loop(s *syntax.For) string {
	pass := func(first, v Value) string {
		o.vars[s.Name] = v
		if s.Second != "" {
			o.vars[s.Name], o.vars[s.Second] = first, v
		}
		o.step(s.Pos)
		how := o.block(s.Body)
		if how == "continue" {
			return ""
		}
		return how
	}
	over := func(how string) string {
		if how == "break" {
			return ""
		}
		return how
	}
	if r, ok := s.X.(*syntax.Range); ok {
		from, to := o.eval(r.X), o.eval(r.Y)
		a, b, e := rangeBounds(from, to)
		o.must(r.Pos, e)
		for i := a; i <= b; i++ {
			if how := pass(Int(i-a), Int(i)); how != "" {
				return over(how)
			}
			if i == b {
				break
			}
		}
		return ""
	}
	v := o.eval(s.X)
	o.must(s.Pos, iterable(&v, s.Second != ""))
	n := v.compound().n
	for i := range n {
		// Looked at only after the step of the pass.
		first, element := Value{}, Value{}
		o.step(s.Pos)
		o.steps--
		elems, e := o.meter.elems(&v)
		o.must(s.Pos, e)
		first, element = Int(int64(i)), elems[i]
		if v.Kind() == KindMap {
			first = String(v.Names()[i])
		}
		if how := pass(first, element); how != "" {
			return over(how)
		}
	}
	return ""
}

func (o *oracle) throw(x, code syntax.Expr, pos syntax.Pos) {
	text, e := displayText(o.eval(x), o.meter)
	o.must(pos, e)
	thrown := &Error{Code: CodeThrow, Message: text}
	if code != nil {
		thrown.UserCode, e = userCode(o.eval(code))
		o.must(pos, e)
	}
	o.must(pos, thrown)
}

func (o *oracle) condition(word string, v Value, pos syntax.Pos) bool {
	b, e := condition(word, v)
	o.must(pos, e)
	return b
}

// ---- expressions ----

func oracleCommand(x syntax.Expr) bool {
	switch x.(type) {
	case *syntax.Get, *syntax.Exists, *syntax.Multi, *syntax.Count, *syntax.Set, *syntax.Delete, *syntax.DeleteMany, *syntax.Extend:
		return true
	}
	return false
}

// statementCommand runs a command whose value nobody wants: the rows of a
// bucket are then no array of the script.
func (o *oracle) statementCommand(x syntax.Expr) {
	if m, ok := x.(*syntax.Multi); ok {
		o.multi(m)
		return
	}
	o.eval(x)
}

func (o *oracle) eval(x syntax.Expr) Value {
	switch x := x.(type) {
	case *syntax.NullLit:
		return Null
	case *syntax.BoolLit:
		return Bool(x.Value)
	case *syntax.IntLit:
		return Int(x.Value)
	case *syntax.FloatLit:
		return Float(x.Value)
	case *syntax.StringLit:
		return String(x.Value)
	case *syntax.Placeholder:
		return o.params[x.Name]
	case *syntax.Ident:
		v, ok := o.vars[x.Name]
		if !ok {
			o.must(x.Pos, errf(CodeUndefinedVariable, "undefined variable '%s'", x.Name))
		}
		return v
	case *syntax.Paren:
		return o.eval(x.X)
	case *syntax.Call:
		fn, _ := check.Lookup(x.Name)
		var args []Value
		for _, a := range x.Args {
			args = append(args, o.eval(a))
		}
		o.step(x.Pos)
		v, e := builtins[fn.ID](&o.env, args)
		o.steps += o.meter.takeWork()
		o.must(x.Pos, e)
		return v
	case *syntax.Unary:
		v := o.eval(x.X)
		if x.Op == syntax.Minus {
			n, e := negate(v)
			o.must(x.Pos, e)
			return n
		}
		return Bool(!o.condition(x.Op.String(), v, x.Pos))
	case *syntax.Binary, *syntax.Logical, *syntax.Index:
		o.steps += chainWork(x)
		return o.operator(x)
	case *syntax.Range:
		from, to := o.eval(x.X), o.eval(x.Y)
		v, e := rangeArray(from, to, o.meter)
		o.must(x.Pos, e)
		return v
	case *syntax.ArrayLit:
		var vs []Value
		for _, e := range x.Elems {
			vs = append(vs, o.eval(e))
		}
		v, e := newArray(slices.Clip(vs), o.meter)
		o.must(x.Pos, e)
		return v
	case *syntax.MapLit:
		var names []string
		var vs []Value
		for _, m := range x.Members {
			k := o.eval(m.Key)
			name, e := memberName(&k)
			o.must(m.Key.Position(), e)
			names, vs = append(names, name), append(vs, o.eval(m.Value))
		}
		v, e := newMap(slices.Clip(names), slices.Clip(vs), o.meter)
		o.must(x.Pos, e)
		return v
	case *syntax.Guard:
		if x.Kind == syntax.Found {
			missed, ran := o.guards[syntax.NotFound]
			if !ran {
				o.must(x.Pos, errf(CodeState, "'found' used before any read"))
			}
			return Bool(!missed)
		}
		missed, ran := o.guards[x.Kind]
		if !ran {
			names := map[syntax.GuardKind]string{
				syntax.NotSet: "'not set' used before any write", syntax.NotFound: "'not found' used before any read",
				syntax.NotDeleted: "'not deleted' used before any delete", syntax.NotExtended: "'not extended' used before any extend",
			}
			o.must(x.Pos, errf(CodeState, "%s", names[x.Kind]))
		}
		return Bool(missed)
	case *syntax.Get:
		return o.pointRead(x.Space, x.Key, x.At, x.AsOf, OpGet, x.Pos)
	case *syntax.Exists:
		return o.pointRead(x.Space, x.Key, x.At, x.AsOf, OpExists, x.Pos)
	case *syntax.Multi:
		v, e := newArray(slices.Clip(o.multi(x)), o.meter)
		o.must(x.Pos, e)
		return v
	case *syntax.Count:
		return o.count(x)
	case *syntax.DeleteMany:
		return o.deleteMany(x)
	case *syntax.Set:
		return o.set(x)
	case *syntax.Delete:
		key := o.key(x.Key)
		w, err := o.tx.Delete(x.Space, key)
		o.check(x.Pos, err)
		return o.written(OpDelete, x.Space, key, 0, w, x.Pos)
	case *syntax.Extend:
		key := o.key(x.Key)
		ttl := o.natural(x.X, "extend", x.Pos)
		w, err := o.tx.Extend(x.Space, key, ttl)
		o.check(x.Pos, err)
		return o.written(OpExtend, x.Space, key, 0, w, x.Pos)
	}
	panic(fmt.Sprintf("unknown expression %T", x))
}

// operator evaluates an operator whose row has been paid for.
func (o *oracle) operator(x syntax.Expr) Value {
	// operand is the operand at an end of the row, or more of the row.
	operand := func(x syntax.Expr) Value {
		if _, _, ok := syntax.Operands(x); ok {
			return o.operator(x)
		}
		return o.eval(x)
	}
	switch x := x.(type) {
	case *syntax.Index:
		a, i := operand(x.X), o.eval(x.Y)
		v, e := indexValue(&a, &i, o.meter)
		o.must(x.Pos, e)
		return v
	case *syntax.Binary:
		return o.binary(x, operand(x.X), o.eval(x.Y))
	}
	l := x.(*syntax.Logical)
	v := operand(l.X)
	switch l.Op {
	case syntax.Coalesce:
		if !v.IsNull() {
			return v
		}
		if r, ok := l.Y.(*syntax.Logical); ok && r.Op == syntax.Coalesce {
			return operand(r)
		}
		return o.eval(l.Y)
	case syntax.And:
		return Bool(o.condition("&&", v, l.Pos) && o.condition("&&", o.eval(l.Y), l.Pos))
	}
	return Bool(o.condition("||", v, l.Pos) || o.condition("||", o.eval(l.Y), l.Pos))
}

func (o *oracle) equal(a, b *Value) bool {
	o.steps += pairWork(a, b)
	same, _ := o.meter.equal(a, b)
	o.steps += o.meter.takeWork()
	return same
}

func (o *oracle) binary(x *syntax.Binary, a, b Value) Value {
	switch x.Op {
	case syntax.Eq, syntax.NotEq:
		return Bool(o.equal(&a, &b) == (x.Op == syntax.Eq))
	case syntax.Less, syntax.LessEq, syntax.Greater, syntax.GreaterEq:
		o.steps += pairWork(&a, &b)
		v, e := order(x.Op, &a, &b)
		o.must(x.Pos, e)
		return Bool(v)
	}
	v, e := arith(x.Op, &a, &b)
	o.must(x.Pos, e)
	return v
}

// ---- commands ----

func (o *oracle) key(k syntax.Key) string {
	switch k.Kind {
	case syntax.PlaceholderKey:
		text, _ := toStr(o.params[k.Name])
		return text
	case syntax.ComputedKey:
		text, e := keyText(o.eval(k.X), &o.limits, o.emptyKey)
		o.must(k.Pos, e)
		return text
	}
	return k.Name
}

func (o *oracle) natural(x syntax.Expr, what string, pos syntax.Pos) int64 {
	n, e := whole(o.eval(x), what)
	o.must(pos, e)
	o.must(pos, natural(n, what))
	return n
}

// time returns the time a read asks about, 0 for the present.
func (o *oracle) time(asOf syntax.Expr) int64 {
	if asOf == nil {
		return o.call.options.Snapshot
	}
	ms, e := whole(o.eval(asOf), "as of")
	o.must(asOf.Position(), e)
	if ms <= 0 {
		o.must(asOf.Position(), errf(CodeRange, "as of must be greater than 0, got %d", ms))
	}
	return ms
}

func (o *oracle) check(pos syntax.Pos, err error) {
	if err != nil {
		o.fail(pos, err)
	}
}

func (o *oracle) pointRead(space Space, k syntax.Key, at, asOf syntax.Expr, op Op, pos syntax.Pos) Value {
	key := o.key(k)
	var row Row
	var err error
	if at != nil {
		row, err = o.tx.GetAt(space, key, o.natural(at, "at", at.Position()))
		row.Expires, row.TTL = 0, 0
	} else if t := o.time(asOf); t > 0 {
		row, err = o.tx.GetAsOf(space, key, t)
	} else {
		row, err = o.tx.Get(space, key)
	}
	o.check(pos, err)
	o.guards[syntax.NotFound] = !row.Found
	if !row.Found {
		o.command(TypeDoesNotExist, op, []Entry{{Key: key, Revision: -1}})
		if op == OpExists {
			return Bool(false)
		}
		return Null
	}
	entry := Entry{Key: key, Revision: row.Revision, Expires: row.Expires, Modified: row.Modified}
	entry.own(row.Own, row.TTL)
	if op == OpExists {
		o.command(TypeExists, op, []Entry{entry})
		return Bool(true).WithMeta(row.Revision, row.Expires).WithKey(key)
	}
	entry.Value, entry.HasValue = row.Value, true
	o.command(TypeGet, op, []Entry{entry})
	o.must(pos, o.meter.charge(len(row.Value)))
	return String(row.Value).WithMeta(row.Revision, row.Expires).WithKey(key)
}

// multi returns the values read.
func (o *oracle) multi(x *syntax.Multi) []Value {
	p := o.part(x.Space, x.Prefix, x.Key, x.AsOf, x.Limit != nil)
	if x.LimitPos.Offset < x.AfterPos.Offset {
		o.limit(x, &p)
		o.after(x, &p)
	} else {
		o.after(x, &p)
		o.limit(x, &p)
	}
	p.Desc = x.DescPos.IsValid()
	op := OpScan
	if !x.Prefix {
		op = OpBucket
	}
	most := o.limits.Rows
	if x.Limit != nil {
		most = p.Limit
	}
	var rows []Row
	visit := func(r Row) error {
		if err := o.visited(); err != nil {
			return err
		}
		if len(rows) == most {
			shown, cut := shorten(p.Text)
			if cut {
				shown += "..."
			}
			return limitf("Rows", "too many keys: more than %d match '%s'", most, shown)
		}
		if e := o.meter.charge(96 + len(r.Key) + len(r.Value)); e != nil {
			return e
		}
		rows = append(rows, r)
		return nil
	}
	switch {
	case x.Limit == nil && x.After == nil && !p.Desc:
		o.check(x.Pos, o.tx.Scan(x.Space, x.Prefix, p.Text, p.AsOf, visit))
		sort.Slice(rows, func(i, j int) bool { return rows[i].Key < rows[j].Key })
	case p.Limit != 0:
		o.check(x.Pos, o.tx.ScanPart(&p, visit))
	}
	var entries []Entry
	var elems []Value
	for _, r := range rows {
		e := Entry{Key: r.Key, Value: r.Value, HasValue: true, Revision: r.Revision, Expires: r.Expires, Modified: r.Modified}
		e.own(r.Own, r.TTL)
		entries = append(entries, e)
		elems = append(elems, String(r.Value).WithMeta(r.Revision, r.Expires).WithKey(r.Key))
	}
	typ := TypeGet
	if len(rows) == 0 {
		typ = TypeDoesNotExist
	}
	o.guards[syntax.NotFound] = len(rows) == 0
	o.command(typ, op, entries)
	o.pos = x.Pos
	return elems
}

// part evaluates what a command on many keys says, but for its limit and after.
func (o *oracle) part(space Space, prefix bool, k syntax.Key, asOf syntax.Expr, limited bool) Part {
	o.emptyKey = prefix && limited
	text := o.key(k)
	o.emptyKey = false
	if !prefix {
		text = strings.TrimSuffix(text, "/")
	}
	return Part{Space: space, Prefix: prefix, Text: text, AsOf: o.time(asOf), Limit: -1}
}

func (o *oracle) limit(x *syntax.Multi, p *Part) {
	if x.Limit != nil {
		p.Limit = o.limitOf(x.Limit, x.LimitPos)
	}
}

func (o *oracle) limitOf(x syntax.Expr, pos syntax.Pos) int {
	n, e := whole(o.eval(x), "limit")
	o.must(pos, e)
	if n < 0 || n > int64(o.limits.Elements) {
		o.must(pos, errf(CodeRange, "limit must be 0 to %d, got %d", o.limits.Elements, n))
	}
	return int(n)
}

func (o *oracle) after(x *syntax.Multi, p *Part) {
	if x.After == nil {
		return
	}
	v := o.eval(x.After)
	switch v.Kind() {
	case KindNull:
	case KindString:
		p.HasAfter, p.After = true, v.Str()
	default:
		o.must(x.AfterPos, errf(CodeType, "after needs a text or null, got %s", describe(v)))
	}
}

// visited counts a row of a scan.
func (o *oracle) visited() error {
	o.rows++
	if o.budget > 0 && o.steps+o.rows > o.budget {
		return ErrSlowPath
	}
	return o.in.Err()
}

func (o *oracle) count(x *syntax.Count) Value {
	p := o.part(x.Space, x.Prefix, x.Key, x.AsOf, false)
	n := int64(0)
	o.check(x.Pos, o.tx.Scan(p.Space, p.Prefix, p.Text, p.AsOf, func(Row) error {
		n++
		return o.visited()
	}))
	o.guards[syntax.NotFound] = n == 0
	o.remember(OpCount, Int(n), x.Pos)
	return Int(n)
}

func (o *oracle) deleteMany(x *syntax.DeleteMany) Value {
	p := o.part(x.Space, x.Prefix, x.Key, nil, x.Limit != nil)
	if x.Limit != nil {
		p.Limit = o.limitOf(x.Limit, x.LimitPos)
	}
	var keys []string
	visit := func(r Row) error {
		if err := o.visited(); err != nil {
			return err
		}
		if len(keys) == o.limits.WrittenKeys {
			return writtenLimit(&o.limits)
		}
		if e := o.meter.charge(nameBytes + len(r.Key)); e != nil {
			return e
		}
		keys = append(keys, r.Key)
		return nil
	}
	switch {
	case p.Limit < 0:
		o.check(x.Pos, o.tx.Scan(p.Space, p.Prefix, p.Text, 0, visit))
		sort.Strings(keys)
	case p.Limit > 0:
		o.check(x.Pos, o.tx.ScanPart(&p, visit))
	}
	for _, key := range keys {
		o.step(x.Pos)
		w, err := o.tx.Delete(x.Space, key)
		o.check(x.Pos, err)
		o.written(OpDelete, x.Space, key, 0, w, x.Pos)
	}
	n := int64(len(keys))
	o.guards[syntax.NotSet], o.guards[syntax.NotDeleted] = n == 0, n == 0
	o.remember(OpDelete, Int(n), x.Pos)
	o.typ = TypeDeleted
	if n == 0 {
		o.typ = TypeDoesNotExist
	}
	return Int(n)
}

func (o *oracle) set(x *syntax.Set) Value {
	key := o.key(x.Key)
	value := o.eval(x.X)
	text := o.stored(value, x.X.Position())
	var opts SetOptions
	for _, fl := range x.Flags {
		switch fl.Kind {
		case syntax.FlagNX:
			opts.NX = true
		case syntax.FlagXX:
			opts.XX = true
		case syntax.FlagNoRev:
			opts.NoRev = true
		case syntax.FlagKeepTTL:
			opts.KeepTTL = true
		case syntax.FlagEx:
			opts.TTL = o.natural(fl.X, "ex", fl.Pos)
		case syntax.FlagCmp:
			v := o.eval(fl.X)
			opts.HasCmp, opts.CmpNull, opts.Cmp = true, v.IsNull(), o.stored(v, fl.Pos)
		case syntax.FlagCmpRev:
			v := o.eval(fl.X)
			opts.HasCmpRev, opts.CmpRev = true, -1
			if !v.IsNull() {
				n, e := whole(v, "cmprev")
				o.must(fl.Pos, e)
				opts.CmpRev = n
			}
		}
	}
	w, err := o.tx.Set(x.Space, key, text, &opts)
	o.check(x.Pos, err)
	return o.written(OpSet, x.Space, key, len(text), w, x.Pos)
}

func (o *oracle) stored(v Value, pos syntax.Pos) string {
	text, e := storeText(v)
	o.must(pos, e)
	if len(text) > o.limits.ValueBytes {
		o.must(pos, o.meter.valueLimit())
	}
	return text
}

func (o *oracle) written(op Op, space Space, key string, size int, w WriteResult, pos syntax.Pos) Value {
	types := map[Op][2]Type{
		OpSet:    {TypeNotSet, TypeSet},
		OpDelete: {TypeDoesNotExist, TypeDeleted},
		OpExtend: {TypeDoesNotExist, TypeExtended},
	}
	o.guards[syntax.NotSet] = !w.Done
	if op == OpDelete {
		o.guards[syntax.NotDeleted] = !w.Done
	}
	if op == OpExtend {
		o.guards[syntax.NotExtended] = !w.Done
	}
	if !w.Done {
		o.command(types[op][0], op, []Entry{{Key: key, Revision: w.Revision}})
		return Bool(false).WithMeta(w.Revision, 0).WithKey(key)
	}
	if o.bytes += int64(len(key) + size); o.bytes > o.limits.WrittenBytes {
		o.must(pos, limitf("WrittenBytes", "script writes too much: more than %d bytes", o.limits.WrittenBytes))
	}
	o.wrote[fmt.Sprint(space, key)] = true
	if len(o.wrote) > o.limits.WrittenKeys {
		o.must(pos, limitf("WrittenKeys", "script writes too many keys: more than %d", o.limits.WrittenKeys))
	}
	e := Entry{Key: key, Revision: w.Revision, Expires: w.Expires}
	e.own(op != OpExtend, w.TTL)
	o.command(types[op][1], op, []Entry{e})
	return Bool(true).WithMeta(w.Revision, w.Expires).WithKey(key)
}

// ---- results ----

func (o *oracle) command(typ Type, op Op, entries []Entry) {
	o.typ, o.op, o.entries, o.value = typ, op, entries, nil
}

func (o *oracle) remember(op Op, v Value, pos syntax.Pos) {
	o.typ, o.op, o.entries, o.value, o.pos = TypeGet, op, nil, &v, pos
}

func (o *oracle) result() *Result {
	if o.op == OpNone {
		return &Result{Type: TypeCommitted, Outcome: Applied, Warnings: o.call.prog.warnings}
	}
	r := &Result{Type: o.typ, Op: o.op, Outcome: Applied, Warnings: o.call.prog.warnings, Entries: o.entries}
	switch {
	case o.value == nil && o.op != OpBucket && o.op != OpScan:
		return r
	case o.value == nil:
		for _, e := range r.Entries {
			o.answered(e)
		}
		return r
	case o.value.Kind() != KindArray:
		r.Entries = append(r.Entries, o.entry(*o.value))
		return r
	}
	elems, fault := o.meter.elems(o.value)
	o.must(o.pos, fault)
	for _, e := range elems {
		entry := o.entry(e)
		o.answered(entry)
		r.Entries = append(r.Entries, entry)
	}
	return r
}

// answered counts one of several entries of the answer.
func (o *oracle) answered(e Entry) {
	if o.answer += int64(len(e.Key) + len(e.Value)); o.answer > o.limits.AnswerBytes {
		o.must(o.pos, limitf("AnswerBytes", "answer too large: its values come to more than %d bytes", o.limits.AnswerBytes))
	}
}

func (o *oracle) entry(v Value) Entry {
	e := Entry{HasValue: !v.IsNull(), Revision: v.Revision(), Expires: v.Expires()}
	if v.nested() {
		text, fault := jsonText(v, o.meter)
		o.must(o.pos, fault)
		e.Value = text
		return e
	}
	e.Value, _ = toStr(v)
	return e
}

// RunBySteps is Call.Run with a budget that only steps and rows count against,
// which is what the oracle counts.
func RunBySteps(c *Call, tx Tx, in *Interrupt, budget int64) (*Result, error) {
	c.frame.stepsOnly = true
	defer func() { c.frame.stepsOnly = false }()
	return c.Run(tx, in, budget)
}
