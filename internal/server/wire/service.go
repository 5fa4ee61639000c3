package wire

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"kahuna"
	"kahuna/internal/wirepb"
)

// Policy says what becomes of a call that meets a lock of a transaction.
type Policy uint8

// The policies. Wait waits for Options.Patience before it refuses. Refuse
// refuses at once, and also of two scripts under way on the same keys the second.
const (
	Wait Policy = iota
	Refuse
)

// Options configure a Service. The zero value are the defaults.
type Options struct {
	// Conflicts is the policy of calls and transactions that name none.
	Conflicts Policy
	// Patience is how long a call waits for a lock of a transaction: 100 ms.
	Patience time.Duration
	// Transactions bounds those that are open at once: 10,000. More wait for
	// admission.
	Transactions int
	// Operations bounds those of one transaction: 100,000.
	Operations int
	// Holds bounds the snapshot holds: 10,000.
	Holds int
	// Endpoint is the address that the server tells of itself, such as
	// "127.0.0.1:2072".
	Endpoint string
}

// Service answers the calls of the protocol for one store. It is safe for
// concurrent use.
type Service struct {
	db       *kahuna.DB
	opts     Options
	locks    table
	sessions sessions
	holds    holds
	programs programs
	// The scripts that were run lately, by their text and by its SHA-256.
	byText, bySHA *Programs
	// working is the context of calls that must not end with their caller.
	working context.Context
	stop    context.CancelFunc
	closing sync.Once
	open    atomic.Int64 // transactions
}

// New returns the service of a store. It is to be closed before the store.
func New(db *kahuna.DB, o Options) *Service {
	if o.Patience == 0 {
		o.Patience = 100 * time.Millisecond
	}
	if o.Transactions == 0 {
		o.Transactions = 10_000
	}
	if o.Operations == 0 {
		o.Operations = 100_000
	}
	if o.Holds == 0 {
		o.Holds = 10_000
	}
	s := &Service{db: db, opts: o, byText: NewPrograms(1000, 16<<20), bySHA: NewPrograms(10_000, 64<<20)}
	s.working, s.stop = context.WithCancel(context.Background())
	s.locks.init()
	s.sessions.init(o.Transactions)
	s.holds.init(db.HoldHistory)
	return s
}

// Close rolls back all transactions and stops the calls that still run. It may be
// called twice.
func (s *Service) Close() {
	s.closing.Do(func() {
		s.stop()
		s.sessions.close()
		s.holds.close()
	})
}

// target is where a call on keys works: a space of the store, or of a
// transaction.
type target struct {
	kahuna.Space
	run func(ctx context.Context, source string, params kahuna.Params, o *kahuna.RunOptions) (*kahuna.Result, error)
	// inside says that it is a transaction.
	inside bool
	// e begins the commands of a script on the ephemeral space.
	e string
}

// plain returns the target of a call outside a transaction.
func (s *Service) plain(d wirepb.Durability) target {
	if d == wirepb.Durability_DURABILITY_EPHEMERAL {
		return target{Space: s.db.Ephemeral(), run: s.db.Run, e: "e"}
	}
	return target{Space: s.db, run: s.db.Run}
}

// inside returns the target of an operation of a transaction.
func inside(tx kahuna.Tx, d wirepb.Durability) target {
	if d == wirepb.Durability_DURABILITY_EPHEMERAL {
		return target{Space: tx.Ephemeral(), run: tx.Run, e: "e", inside: true}
	}
	return target{Space: tx, run: tx.Run, inside: true}
}
