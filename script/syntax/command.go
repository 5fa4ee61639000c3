package syntax

import "fmt"

// command parses the command that begins with k, the next token.
func (p *parser) command(k kind) Expr {
	pos := p.tok.pos
	// The operand of at may be a command with an at, and so on.
	if !p.enter(pos) {
		return nil
	}
	x := p.commandAt(k, pos)
	p.leave()
	return x
}

func (p *parser) commandAt(k kind, pos Pos) Expr {
	p.next()
	space := Persistent
	switch k {
	case kESet, kEDelete, kEExtend, kEGet, kEExists, kEScan, kECount:
		space = Ephemeral
	}
	switch k {
	case kGet, kEGet:
		if p.tok.kind == kBy {
			return p.multi(pos, space, kBucket)
		}
		x := &Get{Pos: pos, Space: space}
		if !p.key(&x.Key, "key") || !p.version(&x.At, &x.AsOf) {
			return nil
		}
		return x
	case kExists, kEExists:
		x := &Exists{Pos: pos, Space: space}
		if !p.key(&x.Key, "key") || !p.version(&x.At, &x.AsOf) {
			return nil
		}
		return x
	case kScan, kEScan:
		return p.multi(pos, space, kPrefix)
	case kSet, kESet:
		return p.set(pos, space)
	case kCount, kECount:
		return p.count(pos, space)
	case kDelete, kEDelete:
		if p.tok.kind == kBy {
			return p.deleteMany(pos, space)
		}
		x := &Delete{Pos: pos, Space: space}
		if !p.key(&x.Key, "key") {
			return nil
		}
		return x
	case kExtend, kEExtend:
		x := &Extend{Pos: pos, Space: space}
		if !p.key(&x.Key, "key") {
			return nil
		}
		if x.X = p.expression(); x.X == nil {
			return nil
		}
		return x
	}
	return nil
}

// multi parses the rest of get by bucket and scan by prefix; word is the one
// that belongs after by.
func (p *parser) multi(pos Pos, space Space, word kind) Expr {
	if !p.take(kBy) {
		p.unexpected("'by prefix'", "")
		return nil
	}
	switch p.tok.kind {
	case word:
	case kBucket, kPrefix:
		p.unexpected(fmt.Sprintf("'%s'", kindText[word]), "write 'get by bucket' or 'scan by prefix'")
	default:
		p.unexpected(fmt.Sprintf("'%s'", kindText[word]), "")
		return nil
	}
	p.next()
	x := &Multi{Pos: pos, Space: space, Prefix: word == kPrefix}
	if !p.rangeKey(&x.Key, x.Prefix) || !p.rangeTime(&x.AsOf) {
		return nil
	}
	for p.part(x) {
	}
	if p.partFailed {
		p.partFailed = false
		return nil
	}
	p.emptyKey(&x.Key, x.Prefix, x.LimitPos.IsValid())
	return x
}

// rangeKey parses the bucket or prefix of a command on many keys. Whether it
// may be empty is for the caller to say, with emptyKey.
func (p *parser) rangeKey(k *Key, prefix bool) bool {
	p.anyKey = true
	ok := p.key(k, rangeWord(prefix))
	p.anyKey = false
	return ok
}

func rangeWord(prefix bool) string {
	if prefix {
		return "prefix"
	}
	return "bucket"
}

// emptyKey reports an empty bucket or prefix, unless a limit lets it stand for
// the whole space.
func (p *parser) emptyKey(k *Key, prefix, limited bool) {
	if k.Kind != StringKey || k.Name != "" || prefix && limited {
		return
	}
	d := Diagnostic{Code: CodeBadKey, Pos: k.Pos, Message: fmt.Sprintf("a %s must be a non-empty text", rangeWord(prefix))}
	if prefix {
		d.Hint = "the prefix of all keys, \"\", needs a limit"
	}
	p.errs.report(d)
}

// rangeTime parses the as of behind a bucket or prefix.
func (p *parser) rangeTime(asOf *Expr) bool {
	switch p.tok.kind {
	case kAs:
		*asOf = p.asOf()
		return *asOf != nil
	case kAt:
		p.errs.misuse(p.tok.pos, fmt.Sprintf("unexpected %s, expected 'as of'", p.describe(p.tok)),
			"many keys have no common revision; 'as of' reads them as of a time")
		p.next()
		return p.unary() != nil
	}
	return true
}

// part parses one limit, after or desc of x. It returns false when there is
// none, or when it is faulty.
func (p *parser) part(x *Multi) bool {
	pos := p.tok.pos
	var at *Pos
	var operand *Expr
	switch {
	case p.tok.is("limit"):
		at, operand = &x.LimitPos, &x.Limit
	case p.tok.is("after"):
		at, operand = &x.AfterPos, &x.After
	case p.tok.is("desc"):
		at = &x.DescPos
	default:
		return false
	}
	if at.IsValid() {
		p.errs.misuse(pos, fmt.Sprintf("'%s' is repeated", p.text(p.tok)), "")
	}
	p.next()
	*at = pos
	if operand != nil {
		*operand = p.binary(precAdditive)
		p.partFailed = *operand == nil
	}
	return !p.partFailed
}

// manyWord parses by and the word bucket or prefix.
func (p *parser) manyWord() (prefix, ok bool) {
	p.next()
	switch p.tok.kind {
	case kBucket, kPrefix:
		prefix = p.tok.kind == kPrefix
		p.next()
		return prefix, true
	}
	p.unexpected("'bucket' or 'prefix'", "")
	return false, false
}

func (p *parser) count(pos Pos, space Space) Expr {
	x := &Count{Pos: pos, Space: space}
	var ok bool
	if x.Prefix, ok = p.manyWord(); !ok || !p.rangeKey(&x.Key, x.Prefix) || !p.rangeTime(&x.AsOf) {
		return nil
	}
	p.emptyKey(&x.Key, x.Prefix, false)
	return x
}

func (p *parser) deleteMany(pos Pos, space Space) Expr {
	x := &DeleteMany{Pos: pos, Space: space}
	var ok bool
	if x.Prefix, ok = p.manyWord(); !ok || !p.rangeKey(&x.Key, x.Prefix) {
		return nil
	}
	if p.tok.is("limit") {
		x.LimitPos = p.tok.pos
		p.next()
		if x.Limit = p.binary(precAdditive); x.Limit == nil {
			return nil
		}
	}
	p.emptyKey(&x.Key, x.Prefix, x.Limit != nil)
	return x
}

// version parses the at or as of after a key.
func (p *parser) version(at, asOf *Expr) bool {
	for p.tok.kind == kAt || p.tok.kind == kAs {
		switch {
		case *at != nil && p.tok.kind == kAt, *asOf != nil && p.tok.kind == kAs:
			p.errs.misuse(p.tok.pos, fmt.Sprintf("'%s' is repeated", shorten(p.text(p.tok))), "")
		case *at != nil, *asOf != nil:
			p.errs.misuse(p.tok.pos, "'at' and 'as of' exclude each other", "at: a revision, as of: a time")
		}
		into := at
		var x Expr
		if p.tok.kind == kAt {
			p.next()
			x = p.unary()
		} else {
			into = asOf
			x = p.asOf()
		}
		if x == nil {
			return false
		}
		*into = x
	}
	return true
}

func (p *parser) asOf() Expr {
	p.next()
	if !p.take(kOf) {
		p.unexpected("'of'", "")
		return nil
	}
	return p.binary(precAdditive)
}

// key parses a key, of which what says what it is: key, bucket or prefix.
func (p *parser) key(k *Key, what string) bool {
	t := p.tok
	k.Pos = t.pos
	switch t.kind {
	case tIdent:
		k.Kind, k.Name = NameKey, t.str
		if t.quoted {
			k.Kind = QuotedNameKey
		}
	case tString:
		k.Kind, k.Name, k.Text = StringKey, t.str, p.text(t)
		if t.faulty {
			k.Name = k.Text // what it should be is not known; it is some text
		} else if t.str == "" && !p.anyKey {
			p.errs.report(Diagnostic{Code: CodeBadKey, Pos: t.pos,
				Message: fmt.Sprintf("a %s must be a non-empty text", what)})
		}
	case tPlaceholder:
		k.Kind, k.Name = PlaceholderKey, t.str
	case tLParen:
		k.Kind = ComputedKey
		if !p.enter(t.pos) {
			return false
		}
		p.next()
		k.X = p.argument()
		p.leave()
		return k.X != nil && p.closing(tRParen, k.Pos)
	default:
		p.unexpected("a "+what, p.keyHint())
		if !p.meantAsKey() {
			return false
		}
	}
	p.next()
	return true
}

func (p *parser) set(pos Pos, space Space) Expr {
	x := &Set{Pos: pos, Space: space}
	if !p.key(&x.Key, "key") {
		return nil
	}
	p.setting = p.tok.kind == tAssign || p.tok.kind == tEqEq
	if p.tok.kind == tMinus && p.touches() {
		p.dash = pos.Offset
	}
	if x.X = p.expression(); x.X == nil {
		return nil
	}
	for {
		f := SetFlag{Pos: p.tok.pos}
		switch p.tok.kind {
		case kNX:
			f.Kind = FlagNX
		case kXX:
			f.Kind = FlagXX
		case kNoRev:
			f.Kind = FlagNoRev
		case kEx:
			f.Kind = FlagEx
		case kCmp:
			f.Kind = FlagCmp
		case kCmpRev:
			f.Kind = FlagCmpRev
		default:
			if !p.tok.is("keepttl") {
				return x
			}
			f.Kind = FlagKeepTTL
		}
		p.checkFlag(x.Flags, f.Kind)
		p.next()
		if f.Kind >= FlagEx {
			if f.X = p.expression(); f.X == nil {
				return nil
			}
		}
		// Seven kinds are all there are; a longer list has been reported.
		if len(x.Flags) < 7 {
			x.Flags = append(x.Flags, f)
		}
	}
}

// checkFlag reports a flag that stands there twice, and xx with nx.
func (p *parser) checkFlag(flags []SetFlag, k FlagKind) {
	for _, f := range flags {
		switch {
		case f.Kind == k:
			p.errs.misuse(p.tok.pos, fmt.Sprintf("flag '%s' is repeated", p.text(p.tok)), "")
			return
		case f.Kind == FlagNX && k == FlagXX, f.Kind == FlagXX && k == FlagNX:
			p.errs.misuse(p.tok.pos, "'nx' and 'xx' contradict each other", "nx: only if the key is absent, xx: only if it is there")
			return
		}
	}
}
