package replica

import "math/rand/v2"

// electionTimer decides when a replica that is not the leader gives up on the
// leader it had, and when it campaigns.
//
// Raft has such a timer of its own, but draws its randomness from the operating
// system, so that no run could be repeated. Hence a follower's Raft is never
// ticked: silence of base ticks makes it forget its leader (from then on it
// grants pre-votes to others), silence of limit ticks makes it campaign.
// A leader's Raft is ticked, and uses no randomness.
type electionTimer struct {
	rng     *rand.Rand
	base    int
	limit   int // drawn from [base, 2*base) on every reset
	elapsed int
}

// hear notes a sign of life of the leader, or a vote given to a candidate.
func (t *electionTimer) hear() { t.elapsed = 0 }

// reset starts over with another limit.
func (t *electionTimer) reset() {
	t.elapsed = 0
	t.limit = t.base + t.rng.IntN(t.base)
}

// tick moves time on. Both results may be true.
func (t *electionTimer) tick() (forget, campaign bool) {
	t.elapsed++
	return t.elapsed >= t.base, t.elapsed >= t.limit
}
