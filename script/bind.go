package script

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"kahuna/script/check"
	"kahuna/script/syntax"
)

// Call is a Program with parameters: one request. It is used by one goroutine
// at a time. One from Program.Bind is taken from a pool, and given back with
// Release; one from NewCall is used for one request after the other.
type Call struct {
	frame
	options   *Options // not to be changed
	footprint Footprint
	known     bool // footprint is computed
}

// callPool holds frames of past calls, whatever their program.
var callPool = sync.Pool{New: func() any { return NewCall() }}

// NewCall returns a Call to Bind, for an engine that keeps the calls it is done
// with itself.
func NewCall() *Call {
	c := new(Call)
	c.visitRow = c.visit // made once: a method value allocates
	c.env.meter = &c.meter
	return c
}

// Bind gives a program its parameters. A name may have a leading @; what the
// script does not ask for is ignored. Values are those ValueOf takes. The
// params are not kept.
//
// The error is an *Error at the placeholder concerned, with all problems in
// Diagnostics. Its code is
//
//   - bad_request: a name was given twice, with and without @;
//   - missing_parameter: a placeholder has no parameter;
//   - bad_parameter: a value is of no type of the language, or is no key
//     where it stands as one (docs/language.md, "Parameters" and "Keys");
//   - limit: a text or array exceeds Limits.ValueBytes, Elements or
//     MemoryBytes;
//   - bad_option: a parameter does not fit the begin option it stands for.
func (p *Program) Bind(params map[string]any) (*Call, error) {
	c := callPool.Get().(*Call)
	if err := c.Bind(p, params); err != nil {
		c.Release()
		return nil, err
	}
	return c, nil
}

// Bind makes c, which is new or was Reset, a call of p; see Program.Bind. After
// an error c is to be Reset.
func (c *Call) Bind(p *Program, params map[string]any) error {
	if c.prog != p {
		c.prog, c.options, c.meter.limits = p, &p.options, &p.limits
	}
	return c.bind(params)
}

// Release gives the call's memory back. The call, and its Footprint, must not
// be used afterwards; results of Run stay valid.
func (c *Call) Release() {
	c.Reset()
	callPool.Put(c)
}

// Reset makes the call forget its parameters and Footprint. Results of Run stay
// valid. It keeps the program, and the Tx and the Interrupt of its last run: most
// often the next ones are the same.
func (c *Call) Reset() {
	c.forget()
	forget(c.params)
	for i := range c.keys {
		c.keys[i].key = ""
	}
	c.params, c.keys = c.params[:0], c.keys[:0]
	if c.known {
		c.footprint.reset()
		c.known = false
	}
}

// Options returns the options of the begin block: the time-out with its
// default and within its limit, the admission wait within its limit or -1 for
// the server's choice. They must not be changed.
func (c *Call) Options() *Options { return c.options }

// Program returns the program the call belongs to.
func (c *Call) Program() *Program { return c.prog }

func (c *Call) bind(params map[string]any) error {
	p := c.prog
	var diags []syntax.Diagnostic
	report := func(code Code, pos syntax.Pos, message, hint string) {
		diags = append(diags, syntax.Diagnostic{Code: code, Pos: pos, Message: message, Hint: hint})
	}
	if n := len(p.params); n > cap(c.params) {
		c.params, c.keys = make([]Value, n), make([]origin, n)
	}
	c.params, c.keys = c.params[:len(p.params)], c.keys[:len(p.params)]
	c.meter.reset()
	used := 0
	for i := range p.params {
		ph := &p.params[i]
		raw, found := params[ph.name]
		if !found {
			raw, found = params[ph.atName]
		}
		if !found && ph.optional {
			c.params[i].setNull()
			continue
		}
		if !found {
			report(CodeMissingParameter, ph.pos, fmt.Sprintf("missing parameter '@%s'", ph.name), p.misspelt(ph.name, params))
			continue
		}
		used++
		if code, message, hint := c.bindParam(i, raw); message != "" {
			pos := ph.pos
			if ph.key {
				pos = ph.keyPos
			}
			report(code, pos, message, hint)
		}
	}
	if used < len(params) {
		if err := sentTwice(params); err != nil {
			return err
		}
	}
	c.given = c.meter.memory
	if diags == nil && len(p.info.BoundOptions) > 0 {
		c.bindOptions(report)
	}
	if diags == nil {
		return nil
	}
	slices.SortStableFunc(diags, func(a, b syntax.Diagnostic) int { return int(a.Pos.Offset) - int(b.Pos.Offset) })
	return diagnosed(p.source, &diags[0], diags)
}

// bindParam sets placeholder i. A message says what is wrong with its value.
func (c *Call) bindParam(i int, raw any) (code Code, message, hint string) {
	ph := &c.prog.params[i]
	v := &c.params[i]
	var fault *Error
	switch x := raw.(type) { // the usual ones, without more ado
	case string:
		v.setString(x, -1, 0)
		fault = c.meter.makeString(int64(len(x)))
	case int:
		v.setInt(int64(x))
	case int64:
		v.setInt(x)
	default:
		fault = c.admitParam(v, raw)
	}
	if fault != nil {
		return fault.Code, fmt.Sprintf("parameter '@%s': %s", ph.name, fault.Message), fault.Hint
	}
	if !ph.key {
		return "", "", ""
	}
	var key, problem string
	switch v.kind {
	case KindString:
		if key = v.str; key != "" || !ph.anyKey {
			problem = check.KeyProblem(key)
		}
	case KindInt:
		key = strconv.FormatInt(v.integer(), 10)
	default:
		problem = "must be a string, got " + v.kind.String()
	}
	if problem == "" && len(key) > c.meter.limits.KeyBytes {
		problem = fmt.Sprintf("must not be longer than %d bytes, got %d", c.meter.limits.KeyBytes, len(key))
		hint = limitHint("KeyBytes")
	}
	if problem != "" {
		return CodeBadParameter, fmt.Sprintf("parameter '@%s' is used as a key and %s", ph.name, problem), hint
	}
	c.keys[i].key = key
	return "", "", ""
}

// admitParam sets v to what raw is in the language.
func (c *Call) admitParam(v *Value, raw any) *Error {
	// What is made on the way is charged when it is admitted.
	made, fault := valueOf(raw, newMeter(c.meter.limits), 0)
	if fault == nil {
		*v, fault = c.meter.admit(made)
	}
	return fault
}

// misspelt looks for the parameter that was probably meant to be name.
func (p *Program) misspelt(name string, params map[string]any) string {
	var spare []string
	for sent := range params {
		sent = strings.TrimPrefix(sent, "@")
		if _, ok := p.info.Param(sent); !ok && len(spare) < 100 {
			spare = append(spare, sent)
		}
	}
	slices.Sort(spare)
	if word := syntax.Suggest(name, spare); word != "" {
		return fmt.Sprintf("'@%s' was sent; did you mean '@%s'?", word, name)
	}
	return ""
}

// sentTwice reports a parameter given with and without @. With several it
// names the first in the alphabet.
func sentTwice(params map[string]any) error {
	twice, found := "", false
	for name := range params {
		bare, ok := strings.CutPrefix(name, "@")
		if !ok {
			continue
		}
		if _, both := params[bare]; both && (!found || bare < twice) {
			twice, found = bare, true
		}
	}
	if !found {
		return nil
	}
	return errf(CodeBadRequest, "parameter '%s' was sent twice", twice)
}

// keyTooLong is the error of a key of n bytes.
func keyTooLong(n int, lim *Limits) *Error {
	return errf(CodeBadKey, "a key must not be longer than %d bytes, got %d", lim.KeyBytes, n).hinted(limitHint("KeyBytes"))
}
