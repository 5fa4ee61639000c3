package script

import (
	"math"

	"kahuna/script/syntax"
)

// longRead is from how many bytes on reading operands is minded: a look at a
// long text for a number, or a comparison, takes as long as many steps.
const longRead = 4 << 10

// reads minds that an operator, or an operand of a command, is about to read a
// and b: in the executor too much of it sends the run to the slow path, outside
// it is a place to be stopped at and to let others run.
func (f *frame) reads(a, b *Value, pos syntax.Pos) error {
	if len(a.str)+len(b.str) < longRead {
		return nil
	}
	return f.readsLong(int64(len(a.str)+len(b.str)), pos)
}

func (f *frame) readsLong(n int64, pos syntax.Pos) error {
	if f.budget != math.MaxInt64 {
		if f.meter.made += n; f.meter.made > f.meter.budget {
			return ErrSlowPath
		}
		return nil
	}
	if err := f.meter.in.Err(); err != nil {
		return f.fail(err, pos)
	}
	f.meter.yield()
	return nil
}
