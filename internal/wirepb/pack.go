package wirepb

// PackHeader is the name of the metadata by which the two ends of a batch stream
// of calls on keys tell each other that they read packs, with any value.
const PackHeader = "kahuna-pack"

// AnsweredTrailer is the name of the metadata at the end of a batch stream that
// says that every request that was begun has been answered: what has no answer
// was not begun.
const AnsweredTrailer = "kahuna-answered"

// The bounds of a pack: requests or answers, and bytes. A larger one goes alone.
const (
	PackMost      = 256
	PackBytesMost = 1 << 20
)
