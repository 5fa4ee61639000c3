package syntax

import "math"

// Format returns src in canonical form: a statement a line, blocks indented
// by two spaces, keywords in lower case and spelt out (delete for del, elseif
// for elif, at for a lone @, == for a comparing =, != for <>), no semicolon but
// behind a return that would take the next line for its operand, single spaces, one blank line where there were some, and a line end at the
// end. Comments stay where they are, strings, names and numbers as they are
// written. An expression keeps its line breaks inside brackets and around
// operators.
//
// A source with syntax errors is returned as it is, with its diagnostics.
// Only Limits.Nesting is enforced, with its default.
func Format(src string) (string, []Diagnostic) {
	limits := Limits{SourceBytes: math.MaxInt32, Statements: math.MaxInt}
	script, diags := Parse(src, limits)
	if len(diags) > 0 {
		return src, diags
	}
	f := formatter{src: script.Source, roles: roles(script), lines: lines(script)}
	f.format()
	return f.out.String(), nil
}

// line is a token that begins a line: the first of a statement, or one that
// separates the parts of a block.
type line struct {
	offset int32
	depth  int
	// divides tells an end, else, elseif or case from a statement.
	divides bool
}

// lines returns the beginnings of all lines of s in source order.
func lines(s *Script) []line {
	l := liner{}
	if b := s.Begin; b != nil {
		l.add(b.Pos, 0, false)
		l.stmts(s.Body, 1)
		l.add(b.End, 0, true)
	} else {
		l.stmts(s.Body, 0)
	}
	return l.list
}

type liner struct{ list []line }

func (l *liner) add(pos Pos, depth int, divides bool) {
	l.list = append(l.list, line{pos.Offset, depth, divides})
}

func (l *liner) stmts(list []Stmt, depth int) {
	for _, s := range list {
		l.add(s.Position(), depth, false)
		switch s := s.(type) {
		case *If:
			for i, b := range s.Branches {
				if i > 0 {
					l.add(b.Pos, depth, true)
				}
				l.stmts(b.Body, depth+1)
			}
			l.rest(s.HasElse, s.ElsePos, s.Else, s.End, depth)
		case *Switch:
			for _, c := range s.Cases {
				l.add(c.Pos, depth, true)
				l.stmts(c.Body, depth+1)
			}
			l.rest(s.HasElse, s.ElsePos, s.Else, s.End, depth)
		case *For:
			l.stmts(s.Body, depth+1)
			l.add(s.End, depth, true)
		case *While:
			l.stmts(s.Body, depth+1)
			l.add(s.End, depth, true)
		}
	}
}

func (l *liner) rest(hasElse bool, pos Pos, body []Stmt, end Pos, depth int) {
	if hasElse {
		l.add(pos, depth, true)
		l.stmts(body, depth+1)
	}
	l.add(end, depth, true)
}

// role is what only the tree knows of a token.
type role uint8

const (
	roleUnary role = iota + 1 // a sign: no space after it
	roleCall                  // a function's name: no space after it
	roleIndex                 // a bracket that indexes: no space before it
	roleWord                  // a name that is a keyword where it stands
	roleBare                  // a return whose operand must not be the next line
)

// roles returns the roles of tokens by their offset.
func roles(s *Script) map[int32]role {
	m := map[int32]role{}
	word := func(pos Pos) {
		if pos.IsValid() {
			m[pos.Offset] = roleWord
		}
	}
	Walk(s, func(n any) bool {
		switch n := n.(type) {
		case *Unary:
			if n.Op != Not {
				m[n.Pos.Offset] = roleUnary
			}
		case *Guard:
			if n.Bang {
				m[n.Pos.Offset] = roleUnary
			}
		case *IntLit:
			if n.Text[0] == '-' {
				m[n.Pos.Offset] = roleUnary
			}
		case *FloatLit:
			if n.Text[0] == '-' {
				m[n.Pos.Offset] = roleUnary
			}
		case *Call:
			m[n.Pos.Offset] = roleCall
		case *Index:
			if !n.Dot {
				m[n.Pos.Offset] = roleIndex
			}
		case *Multi:
			word(n.LimitPos)
			word(n.AfterPos)
			word(n.DescPos)
		case *Count:
			word(n.Pos)
		case *DeleteMany:
			word(n.LimitPos)
		case *Set:
			for i := range n.Flags {
				if n.Flags[i].Kind == FlagKeepTTL {
					word(n.Flags[i].Pos)
				}
			}
		case *Return:
			if n.X == nil {
				m[n.Pos.Offset] = roleBare
			}
		}
		return true
	})
	return m
}
