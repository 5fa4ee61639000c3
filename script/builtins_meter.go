package script

import (
	"math"
	"slices"

	"kahuna/script/check"
)

// meter counts what one run makes and reads, and holds it to the limits. A
// function asks it before it builds a string or an array, never after:
//
// Invariant VALUE-1: no string of a script is longer than Limits.ValueBytes,
// no array longer than Limits.Elements, and all that a run makes or reads is
// at most Limits.MemoryBytes, counted and never given back. An answer of
// several entries has at most Limits.AnswerBytes.
//
// A meter is used by one goroutine.
type meter struct {
	limits *Limits
	memory int64 // bytes charged
	work   int64 // bytes read by functions, see takeWork
	made   int64 // bytes of the strings and arrays made
	// budget is how many bytes may be made before the run is to go on the slow
	// path: what is made under the executor's mutex keeps everybody waiting.
	budget int64
	in     *Interrupt // nil outside of a run
	// unpolled are bytes worked on since the last poll.
	unpolled int
	fresh    int64 // bytes made since the last yield, rows copied included
}

// These faults are not errors of the script: frame.at knows them.
var (
	slowFault = &Error{Message: "the run is to go on the slow path"}
	stopFault = &Error{Message: "the run was stopped"}
)

// newMeter returns a meter for one run. limits must have its defaults set and
// not change.
func newMeter(limits *Limits) *meter { return &meter{limits: limits, budget: math.MaxInt64} }

// reset makes m ready for another run under the same limits.
func (m *meter) reset() {
	m.memory, m.work, m.made, m.budget = 0, 0, 0, math.MaxInt64
	m.unpolled, m.fresh = 0, 0
}

// poll gives the outside a chance to stop the run, and others to use the
// processor. A function that reads or makes much calls it every pollBytes.
func (m *meter) poll() *Error {
	if m == nil || m.in == nil {
		return nil
	}
	if m.in.Err() != nil {
		return stopFault
	}
	if m.budget == math.MaxInt64 {
		m.yield()
	}
	return nil
}

// yield lets others go on.
func (m *meter) yield() {
	made := m.fresh
	m.fresh = 0
	m.in.yield(made)
}

// yieldBytes is how much a run may make between two yields.
const yieldBytes = 256 << 10

// charge counts bytes of memory.
func (m *meter) charge(bytes int) *Error { return m.charge64(int64(bytes)) }

func (m *meter) charge64(bytes int64) *Error {
	m.memory += bytes
	if m.memory > m.limits.MemoryBytes {
		return m.memoryLimit()
	}
	return nil
}

// build charges bytes of something new.
func (m *meter) build(bytes int64) *Error {
	if m.made += bytes; m.made > m.budget {
		return slowFault
	}
	if err := m.charge64(bytes); err != nil {
		return err
	}
	// Before it is made, so that there is never more than was paid for.
	if m.fresh += bytes; m.fresh >= yieldBytes {
		return m.poll()
	}
	return nil
}

func (m *meter) memoryLimit() *Error {
	return limitf("MemoryBytes", "script uses too much memory: more than %d bytes", m.limits.MemoryBytes)
}

func (m *meter) answerLimit() *Error {
	return limitf("AnswerBytes", "answer too large: its values come to more than %d bytes", m.limits.AnswerBytes)
}

// makeString admits a new string of size bytes, or says which limit it
// exceeds.
func (m *meter) makeString(size int64) *Error {
	if size > int64(m.limits.ValueBytes) {
		return m.valueLimit()
	}
	return m.build(size)
}

func (m *meter) valueLimit() *Error {
	return limitf("ValueBytes", "value too long: more than %d bytes", m.limits.ValueBytes)
}

// makeArray admits the storage of a new array of n elements.
func (m *meter) makeArray(n int64) *Error {
	if n > int64(m.limits.Elements) {
		return m.elementsLimit()
	}
	if n > m.limits.MemoryBytes/valueBytes { // the product might not fit
		return m.memoryLimit()
	}
	return m.build(n * valueBytes)
}

func (m *meter) elementsLimit() *Error {
	return limitf("Elements", "array too long: more than %d elements", m.limits.Elements)
}

// admit checks a value that comes from outside the run, such as a parameter,
// against the limits, and charges it. It returns the value to use: an array
// has its measure recorded.
func (m *meter) admit(v Value) (Value, *Error) {
	switch v.kind {
	case KindString:
		return v, m.makeString(int64(len(v.str)))
	case KindArray, KindMap:
		return m.admitNested(v, 0)
	}
	return v, nil
}

func (m *meter) admitNested(v Value, depth int) (Value, *Error) {
	if depth >= m.limits.Nesting {
		return Null, m.nestingLimit()
	}
	elems := v.Elems()
	charge := m.makeArray
	if v.kind == KindMap {
		charge = m.makeMap
	}
	if err := charge(int64(len(elems))); err != nil {
		return Null, err
	}
	own := make([]Value, len(elems))
	for i, e := range elems {
		var err *Error
		if e.nested() {
			own[i], err = m.admitNested(e, depth+1)
		} else {
			own[i], err = m.admit(e)
		}
		if err != nil {
			return Null, err
		}
	}
	if v.kind == KindArray {
		return m.seal(own)
	}
	names := slices.Clone(v.Names())
	for _, name := range names {
		if err := m.makeString(int64(len(name))); err != nil {
			return Null, err
		}
	}
	return m.sealMap(names, own)
}

// bytesPerStep is how many bytes a function reads for one step.
const bytesPerStep = 256

// read counts bytes that a function reads without making as many.
func (m *meter) read(bytes int) { m.work += int64(bytes) }

// examine is read for a function that may read more than is known before: it
// stops when that is too much for the rest of the budget, and polls.
func (m *meter) examine(bytes int) *Error {
	if m == nil {
		return nil
	}
	if m.read(bytes); m.work > m.budget-m.made {
		return slowFault
	}
	return m.passed(bytes)
}

// takeWork returns the steps that the functions called since the last
// takeWork took beyond one per call, so that reading a long string again and
// again is not free.
func (m *meter) takeWork() int64 {
	steps := m.work / bytesPerStep
	m.work %= bytesPerStep
	return steps
}

// pairWork returns the steps that comparing l with r takes beyond one. It is
// 0 unless both are long strings; what comparing arrays takes is counted by
// meter.equal.
func pairWork(l, r *Value) int64 {
	if l.kind == KindString && r.kind == KindString {
		return int64(min(len(l.str), len(r.str)) / bytesPerStep)
	}
	return 0
}

// reads marks the functions that read all of their arguments.
var reads = [check.NumFunctions]bool{
	check.FuncToInt: true, check.FuncToFloat: true, check.FuncToBool: true, check.FuncMin: true, check.FuncMax: true,
	check.FuncLen: true, check.FuncUpper: true, check.FuncLower: true, check.FuncConcat: true, check.FuncToJSON: true,
	check.FuncTrim: true, check.FuncSubstring: true, check.FuncIndexOf: true, check.FuncStartsWith: true,
	check.FuncEndsWith: true, check.FuncContains: true, check.FuncReplace: true, check.FuncSplit: true, check.FuncJoin: true,
}

// readsMuch reports whether a function that reads these arguments takes too
// long for the rest of the budget.
func (m *meter) readsMuch(args []Value) bool {
	n := int64(0)
	for i := range args {
		n += int64(len(args[i].str))
		if args[i].nested() {
			_, weight := measure(args[i])
			n += weight * valueBytes
		}
	}
	return n > m.budget-m.made
}
