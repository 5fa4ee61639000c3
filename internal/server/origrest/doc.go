// Package origrest is the REST front end for the clients of the original system:
// its paths, its JSON names and its numbers, for a wire.Service. It stands beside
// /v1/run and /v1/keys on the same ports.
//
// A request is read into a message of package wirepb and an answer is written
// from one, both by their fields: endpoints.go lists paths, messages, and the
// members of the answers; json.go has the rules.
//
// Names in requests may be in any letter case, enums may be names, int64 may be
// texts, and what is unknown is ignored. In answers names are as listed, nulls are
// written, and timestamps, numbers and booleans are never null. No number goes
// through a float.
package origrest
