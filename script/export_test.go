package script

// Pending returns what Stamp is still to complete of e.
func (e Entry) Pending() (own bool, ttl int64) { return e.own, e.ttl }
