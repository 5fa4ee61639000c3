package model

import "kahuna/script"

// ClearEphemeral empties the ephemeral space, as a restart does.
func (s *Store) ClearEphemeral() {
	for _, r := range s.Dump() {
		if r.Space == script.Ephemeral {
			s.Evict(r.Space, r.Key)
		}
	}
}
