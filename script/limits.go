package script

// Limits bound every script. A field that is 0 takes its default; they
// are those of docs/language.md, "Limits".
type Limits struct {
	Steps        int64 // statements, loop passes, function calls and long work of one run: 1,000,000
	Elements     int   // elements of one array: 100,000
	ValueBytes   int   // bytes of one string or stored value: 16 MiB
	KeyBytes     int   // bytes of a key: 4 KiB
	SourceBytes  int   // bytes of a script's text: 256 KiB
	Statements   int   // statements in a script: 10,000
	Nesting      int   // blocks, parentheses, brackets, calls, prefix operators, arrays: 200, at most 10,000 (a store: 1000)
	Rows         int   // rows of one bucket or prefix read: 4096
	WrittenKeys  int   // keys written by one script: 10,000
	WrittenBytes int64 // keys and values written by one script: 64 MiB
	MemoryBytes  int64 // strings and arrays made or read by one run, in all: 256 MiB
	AnswerBytes  int64 // keys and values of an answer of several entries: 64 MiB
	SleepMs      int64 // one sleep: 300,000
	TimeoutMs    int64 // time-out of a script that names none: 5000
	TimeoutMaxMs int64 // longest time-out a script may ask for: 300,000
	AdmissionMs  int64 // longest wait for admission a script may ask for: 30,000
}

// DefaultLimits returns the defaults.
func DefaultLimits() Limits { return Limits{}.WithDefaults() }

// WithDefaults returns l with every zero field set to its default.
func (l Limits) WithDefaults() Limits {
	def(&l.Steps, 1_000_000)
	def(&l.Elements, 100_000)
	def(&l.ValueBytes, 16<<20)
	def(&l.KeyBytes, 4<<10)
	def(&l.SourceBytes, 256<<10)
	def(&l.Statements, 10_000)
	def(&l.Nesting, 200)
	l.Nesting = min(l.Nesting, maxNesting)
	def(&l.Rows, 4096)
	def(&l.WrittenKeys, 10_000)
	def(&l.WrittenBytes, 64<<20)
	def(&l.MemoryBytes, 256<<20)
	def(&l.AnswerBytes, 64<<20)
	def(&l.SleepMs, 300_000)
	def(&l.TimeoutMs, 5000)
	def(&l.TimeoutMaxMs, 300_000)
	def(&l.AdmissionMs, 30_000)
	return l
}

func def[T int | int64](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
