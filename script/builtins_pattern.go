package script

import (
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"kahuna/script/check"
)

const (
	// longMatch is how much work a match may be, in bytes read, without a text
	// being given to the expression piece by piece, so that it can be stopped.
	longMatch = 16 << 10
	// stateBytes is how many states of an expression take as long as reading a
	// byte.
	stateBytes = 16
)

// callMatches matches by Go's expressions, whose time is linear in the text for
// any pattern.
func callMatches(e *callEnv, args []Value) (Value, *Error) {
	s, pattern, err := twoStrings(e, "matches", args)
	if err != nil {
		return Null, err
	}
	re, err := e.pattern(pattern)
	if err != nil {
		return Null, err
	}
	// Each character may take as many steps as the pattern has states.
	perByte := 1 + e.states/stateBytes
	if err := e.meter.examine(len(s) * perByte); err != nil {
		return Null, err
	}
	if len(s)*perByte < longMatch {
		return Bool(re.MatchString(s)), nil
	}
	r := &pieceReader{r: strings.NewReader(s), m: e.meter, perByte: perByte}
	found := re.MatchReader(r)
	return Bool(found), r.err
}

// pattern returns the compiled pattern. The last one is kept: in a loop it is
// mostly the same.
func (e *callEnv) pattern(pattern string) (*regexp.Regexp, *Error) {
	if e.matcher != nil && e.matcher.String() == pattern {
		return e.matcher, nil
	}
	states, problem := check.Pattern(pattern)
	if problem != "" {
		return nil, errf(CodeRange, "%s", problem)
	}
	if err := e.meter.build(int64(states) * stateMemory); err != nil {
		return nil, err
	}
	e.matcher, e.states = regexp.MustCompile(pattern), states
	return e.matcher, nil
}

// pieceReader reads a text for an expression. Once the run is to stop it is at
// its end.
type pieceReader struct {
	r       *strings.Reader
	m       *meter
	perByte int
	err     *Error
}

func (p *pieceReader) ReadRune() (rune, int, error) {
	if p.err == nil {
		p.err = p.m.passed(8 * p.perByte)
	}
	if p.err != nil {
		return utf8.RuneError, 0, io.EOF
	}
	return p.r.ReadRune()
}
