package wire

import (
	"strings"
	"time"

	"kahuna/internal/wirepb"
)

// nodeID is the node of the timestamps that this server makes.
const nodeID = 1

// timestamp is a hybrid timestamp of the protocol. The zero one is none.
type timestamp struct {
	node     int32
	physical int64 // Unix milliseconds
	counter  uint32
}

func (t timestamp) none() bool { return t == timestamp{} }

// before orders timestamps.
func (t timestamp) before(o timestamp) bool {
	if t.physical != o.physical {
		return t.physical < o.physical
	}
	if t.counter != o.counter {
		return t.counter < o.counter
	}
	return t.node < o.node
}

// stamp returns a time as a timestamp, none for the zero one.
func stamp(t time.Time) timestamp {
	if t.IsZero() {
		return timestamp{}
	}
	return timestamp{nodeID, t.UnixMilli(), 0}
}

// reservedPrefix begins the keys that belong to the server.
const reservedPrefix = "__kahuna:"

func reserved(key string) bool { return strings.HasPrefix(key, reservedPrefix) }

// keyWords says why a text is no key, or "".
func keyWords(key string) string {
	switch {
	case key == "":
		return "the key is empty"
	case reserved(key):
		return "keys that begin with " + reservedPrefix + " are reserved"
	}
	return ""
}

// durabilityWords says why d is none, or "".
func durabilityWords(d wirepb.Durability) string {
	if d == wirepb.Durability_DURABILITY_EPHEMERAL || d == wirepb.Durability_DURABILITY_PERSISTENT {
		return ""
	}
	return "the durability is 0 for ephemeral or 1 for persistent"
}

// opID names an operation within its transaction. The zero one is none.
type opID struct{ high, low uint64 }

// txName names a transaction, and an operation of it.
type txName struct {
	id          timestamp
	coordinator string
	op          opID
}

// plain reports whether the call is of no transaction.
func (n txName) plain() bool { return n.id.none() }

// words says what the name lacks, or "".
func (n txName) words() string {
	switch {
	case n.coordinator == "":
		return "an operation of a transaction needs the coordinator key of its start"
	case n.op == opID{}:
		return "an operation of a transaction needs an operation id"
	}
	return ""
}

// txRequest is a request that may be of a transaction.
type txRequest interface {
	GetTransactionIdNode() int32
	GetTransactionIdPhysical() int64
	GetTransactionIdCounter() uint32
}

func idOf(r txRequest) timestamp {
	return timestamp{r.GetTransactionIdNode(), r.GetTransactionIdPhysical(), r.GetTransactionIdCounter()}
}

// opRequest is a request that may be an operation of a transaction.
type opRequest interface {
	txRequest
	GetCoordinatorKey() string
	GetOperationIdHigh() uint64
	GetOperationIdLow() uint64
}

func nameOf(r opRequest) txName {
	return txName{idOf(r), r.GetCoordinatorKey(), opID{r.GetOperationIdHigh(), r.GetOperationIdLow()}}
}

// readRequest is a request that may read the past.
type readRequest interface {
	GetReadTimestampNode() int32
	GetReadTimestampPhysical() int64
	GetReadTimestampCounter() uint32
}

func readAt(r readRequest) timestamp {
	return timestamp{r.GetReadTimestampNode(), r.GetReadTimestampPhysical(), r.GetReadTimestampCounter()}
}
