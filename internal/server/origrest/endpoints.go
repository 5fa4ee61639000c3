package origrest

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"kahuna"
	"kahuna/internal/server/wire"
	pb "kahuna/internal/wirepb"
)

// endpoint is one path.
type endpoint struct {
	method string
	// in makes an empty request, nil when there is no body.
	in func() proto.Message
	// empty makes an empty answer.
	empty func() proto.Message
	// item prepares an element of a list of the request.
	item func(protoreflect.Message)
	// call answers. raw are the members that the message has no field for.
	call func(ctx context.Context, s *wire.Service, in proto.Message, raw map[string]any) proto.Message
	// members are those of the answer.
	members []member
	// extra are members that the message has no field for.
	extra func(proto.Message) map[string]string
	// status is that of an answer; nil is always 200.
	status func(proto.Message) int
	// retry is the type that asks for the request to be sent again.
	retry int
}

// member is one of an answer.
type member struct {
	name     string
	of       []member // of the elements of a list, or of an object
	nullable bool     // an empty text is null
	named    bool     // an enum is written by name
}

// members reads a list such as "type items(key? role!)": a member with ? is null
// when it is empty, one with ! is the name of an enum.
func members(list string) (out []member) {
	for list != "" {
		end := strings.IndexAny(list, " (")
		if end < 0 {
			end = len(list)
		}
		name, nullable := strings.CutSuffix(list[:end], "?")
		name, named := strings.CutSuffix(name, "!")
		m := member{name: name, nullable: nullable, named: named}
		list = list[end:]
		if strings.HasPrefix(list, "(") {
			depth, i := 1, 1
			for ; depth > 0; i++ {
				switch list[i] {
				case '(':
					depth++
				case ')':
					depth--
				}
			}
			m.of = members(list[1 : i-1])
			list = list[i:]
		}
		list = strings.TrimPrefix(list, " ")
		out = append(out, m)
	}
	return out
}

// on makes an endpoint of a method of the service.
func on[Q any, A proto.Message](call func(*wire.Service, context.Context, *Q) A, list string) *endpoint {
	return &endpoint{method: http.MethodPost, members: members(list), retry: int(pb.KvType_KV_TYPE_MUST_RETRY),
		in: func() proto.Message { return any(new(Q)).(proto.Message) },
		empty: func() proto.Message {
			var a A
			return a.ProtoReflect().New().Interface()
		},
		call: func(ctx context.Context, s *wire.Service, in proto.Message, _ map[string]any) proto.Message {
			return call(s, ctx, any(in).(*Q))
		}}
}

// with adds members of the answer that are the same in all.
func (e *endpoint) with(extra map[string]string) *endpoint {
	e.extra = func(proto.Message) map[string]string { return extra }
	return e
}

const (
	wroteMembers = "servedFrom type revision lastModified"
	manyItems    = "items(servedFrom key type revision lastModified durability)"
	readItems    = "items(key type value revision lastModified durability)"
	rowItems     = "items(key value revision lastModified)"
)

// endpoints are all paths.
var endpoints = makeEndpoints()

func makeEndpoints() map[string]*endpoint {
	m := map[string]*endpoint{}
	keyEndpoints(m)
	txEndpoints(m)
	lockEndpoints(m)
	sequenceEndpoints(m)
	clusterEndpoints(m)
	return m
}

func keyEndpoints(m map[string]*endpoint) {
	const kv = "/v1/kv/"
	m[kv+"try-set"] = on((*wire.Service).Set, wroteMembers)
	m[kv+"try-get"] = on((*wire.Service).Get, "servedFrom type value revision expires lastModified")
	m[kv+"try-exists"] = on((*wire.Service).Exists, "servedFrom type revision expires lastModified")
	m[kv+"try-delete"] = on((*wire.Service).Delete, wroteMembers)
	m[kv+"try-extend"] = on(func(s *wire.Service, ctx context.Context, r *pb.TryExtendKeyValueRequest) *pb.TryExtendKeyValueResponse {
		if r.ExpiresMs <= 0 { // unlike over gRPC, where 0 is at once
			a := &pb.TryExtendKeyValueResponse{}
			wire.Unreadable(a, "the expiry must be longer than 0")
			return a
		}
		return s.Extend(ctx, r)
	}, wroteMembers)

	setMany := on(func(s *wire.Service, ctx context.Context, r *pb.TrySetManyKeyValueRequest) *pb.TrySetManyKeyValueResponse {
		return s.SetMany(ctx, r)
	}, "type "+manyItems+" timeElapsedMs")
	inner := setMany.call
	setMany.call = func(ctx context.Context, s *wire.Service, in proto.Message, raw map[string]any) proto.Message {
		if raw["items"] == nil {
			a := &pb.TrySetManyKeyValueResponse{}
			wire.Unreadable(a, "items are missing")
			return a
		}
		return inner(ctx, s, in, raw)
	}
	setMany.extra = func(a proto.Message) map[string]string {
		items := a.(*pb.TrySetManyKeyValueResponse).Items
		if len(items) == 1 && items[0].Key == "" && items[0].Type == pb.KvType_KV_TYPE_INVALID_INPUT {
			return numbered(pb.KvType_KV_TYPE_INVALID_INPUT)
		}
		return numbered(pb.KvType_KV_TYPE_SET)
	}
	m[kv+"try-set-many"] = setMany
	m[kv+"try-delete-many"] = on((*wire.Service).DeleteMany, "type "+manyItems+" timeElapsedMs").with(numbered(pb.KvType_KV_TYPE_DELETED))

	current := func(item protoreflect.Message) {
		if f := item.Descriptor().Fields().ByName("Revision"); f != nil {
			item.Set(f, protoreflect.ValueOfInt64(-1))
		}
	}
	for path, e := range map[string]*endpoint{"try-get-many": on((*wire.Service).GetMany, "type servedFrom "+readItems+" timeElapsedMs"),
		"try-exists-many": on((*wire.Service).ExistsMany, "type servedFrom "+readItems+" timeElapsedMs")} {
		e.item = current
		extra := numbered(pb.KvType_KV_TYPE_GET)
		extra["timeElapsedMs"] = "0"
		m[kv+path] = e.with(extra)
	}
	m[kv+"get-by-bucket"] = on((*wire.Service).Bucket, "servedFrom type "+rowItems)
	m[kv+"scan-all-by-prefix"] = on((*wire.Service).Scan, "servedFrom type "+rowItems)
	byRange := on(func(*wire.Service, context.Context, *pb.GetByRangeRequest) *pb.GetByRangeResponse { return nil }, "servedFrom type "+rowItems+" nextCursor hasMore")
	byRange.call = func(ctx context.Context, s *wire.Service, in proto.Message, raw map[string]any) proto.Message {
		cursor, _ := raw["cursor"].(string)
		return s.Page(ctx, in.(*pb.GetByRangeRequest), cursor)
	}
	m[kv+"get-by-range"] = byRange

	script := on(executeScript, "servedFrom type reason value revision expires values(key? value revision expires lastModified kind)")
	script.extra = firstEntry
	m[kv+"try-execute-tx-script"] = script
}

// executeScript runs a script. A parameter without a value is null here, where it
// is an empty text in gRPC.
func executeScript(s *wire.Service, ctx context.Context, r *pb.TryExecuteTransactionScriptRequest) *pb.TryExecuteTransactionScriptResponse {
	for _, p := range r.Parameters {
		if p.Value == nil && p.Bytes == nil && p.Json == nil {
			null := "null"
			p.Json = &null
		}
	}
	return s.Script(ctx, r)
}

// numbered is the member type of an answer that has none of its own.
func numbered(t pb.KvType) map[string]string {
	return map[string]string{"type": strconv.Itoa(int(t))}
}

// firstEntry are the members for clients that know of one entry.
func firstEntry(a proto.Message) map[string]string {
	extra := map[string]string{"value": "null", "revision": "-1", "expires": `{"n":0,"l":0,"c":0}`}
	values := a.(*pb.TryExecuteTransactionScriptResponse).Values
	if len(values) == 0 {
		return extra
	}
	first := values[0].ProtoReflect()
	for name := range extra {
		extra[name] = string(writeMember(nil, first, &member{name: name}))
	}
	return extra
}

func txEndpoints(m map[string]*endpoint) {
	const kv = "/v1/kv/"
	start := on((*wire.Service).Start, "servedFrom type transactionId")
	start.in = func() proto.Message { return &pb.StartTransactionRequest{Priority: pb.Priority_PRIORITY_BACKGROUND} }
	m[kv+"start-tx-session"] = start
	m[kv+"commit-tx-session"] = on((*wire.Service).Commit, "servedFrom type recordAnchorKey")
	m[kv+"rollback-tx-session"] = on((*wire.Service).Rollback, "servedFrom type recordAnchorKey")
	const lock = "servedFrom type holderTransactionId"
	none := map[string]string{"holderTransactionId": `{"n":0,"l":0,"c":0}`}
	m[kv+"try-acquire-exclusive-lock"] = on((*wire.Service).LockPoint, lock)
	m[kv+"try-acquire-prefix-lock"] = renamed(on((*wire.Service).LockPrefix, lock))
	m[kv+"try-release-prefix-lock"] = renamed(on((*wire.Service).UnlockPrefix, lock)).with(none)
	m[kv+"try-acquire-range-lock"] = on((*wire.Service).LockRange, lock)
	m[kv+"try-release-range-lock"] = on((*wire.Service).UnlockRange, lock).with(none)
	m[kv+"snapshot-hold/acquire"] = on((*wire.Service).AcquireHold, "type holdId leaseExpiry")
	m[kv+"snapshot-hold/renew"] = on((*wire.Service).RenewHold, "type leaseExpiry")
	m[kv+"snapshot-hold/release"] = on((*wire.Service).ReleaseHold, "type")
	floor := on((*wire.Service).Floor, "type effectiveFloor liveHolds")
	floor.method = http.MethodGet
	m[kv+"snapshot-floor"] = floor
}

// renamed takes the member key for the prefix of a lock.
func renamed(e *endpoint) *endpoint {
	inner := e.call
	e.call = func(ctx context.Context, s *wire.Service, in proto.Message, raw map[string]any) proto.Message {
		m := in.ProtoReflect()
		if key, ok := raw["key"].(string); ok {
			m.Set(m.Descriptor().Fields().ByName("PrefixKey"), protoreflect.ValueOfString(key))
		}
		return inner(ctx, s, in, raw)
	}
	return e
}

func lockEndpoints(m map[string]*endpoint) {
	const locks, list = "/v1/locks/", "servedFrom type fencingToken"
	m[locks+"try-lock"] = on(func(s *wire.Service, _ context.Context, r *pb.TryLockRequest) *pb.TryLockResponse { return s.Lock(r) }, list)
	m[locks+"try-extend"] = on(func(s *wire.Service, _ context.Context, r *pb.ExtendLockRequest) *pb.ExtendLockResponse {
		return s.ExtendLock(r)
	}, list)
	m[locks+"try-unlock"] = on(func(s *wire.Service, _ context.Context, r *pb.UnlockRequest) *pb.UnlockResponse { return s.Unlock(r) }, list).
		with(map[string]string{"fencingToken": "0"})
	m[locks+"get-info"] = on(func(s *wire.Service, _ context.Context, r *pb.GetLockRequest) *pb.GetLockResponse {
		return s.LockInfo(r)
	},
		"servedFrom type owner expires fencingToken")
}

func sequenceEndpoints(m map[string]*endpoint) {
	const list = "servedFrom type sequence allocation revision"
	extra := map[string]string{"sequence": "null", "allocation": `{"name":null,"start":0,"end":0,"count":0,"revision":0}`, "revision": "-1"}
	one := func(e *endpoint) *endpoint {
		e.retry = int(pb.SeqType_SEQ_TYPE_MUST_RETRY)
		return e.with(extra)
	}
	const sequences = "/v1/sequences/"
	m[sequences+"create"] = one(on(func(s *wire.Service, _ context.Context, _ *pb.CreateSequenceRequest) *pb.SequenceResponse {
		return s.Sequence()
	}, list))
	m[sequences+"get"] = one(on(func(s *wire.Service, _ context.Context, _ *pb.GetSequenceRequest) *pb.SequenceResponse {
		return s.Sequence()
	}, list))
	m[sequences+"delete"] = one(on(func(s *wire.Service, _ context.Context, _ *pb.DeleteSequenceRequest) *pb.SequenceResponse {
		return s.Sequence()
	}, list))
	m[sequences+"next"] = one(on(func(s *wire.Service, _ context.Context, _ *pb.NextSequenceRequest) *pb.SequenceAllocationResponse {
		return s.Allocation()
	}, list))
	m[sequences+"reserve"] = one(on(func(s *wire.Service, _ context.Context, _ *pb.ReserveSequenceRangeRequest) *pb.SequenceAllocationResponse {
		return s.Allocation()
	}, list))
}

func clusterEndpoints(m map[string]*endpoint) {
	get := func(e *endpoint) *endpoint { e.method = http.MethodGet; return e }
	m["/v1/cluster/health"] = get(on(func(s *wire.Service, _ context.Context, _ *pb.GetPlacementRequest) *pb.GetPlacementResponse {
		return s.Placement()
	},
		"ready initialized localRole hostedPartitions")).with(map[string]string{"ready": "true", "initialized": "true", "localRole": `"Voter"`, "hostedPartitions": "1"})
	m["/v1/cluster/membership"] = get(on(func(s *wire.Service, _ context.Context, _ *pb.GetMembershipRequest) *pb.GetMembershipResponse {
		return s.Membership()
	},
		"membershipVersion members(endpoint nodeId role! joinedVersion) localRole! initialized"))
	m["/v1/cluster/placement"] = get(on(func(s *wire.Service, _ context.Context, _ *pb.GetPlacementRequest) *pb.GetPlacementResponse {
		return s.Placement()
	},
		"replicationFactor rebalancerEnabled initialized localEndpoint hostedPartitionCount partitions(partitionId state generation effectiveReplicationFactor hostedLocally replicas(endpoint role!))"))
	factor := on(func(s *wire.Service, _ context.Context, r *pb.SetReplicationFactorRequest) *pb.SetReplicationFactorResponse {
		return s.SetReplicationFactor(r)
	}, "success status generation reason")
	factor.status = func(a proto.Message) int {
		if a.(*pb.SetReplicationFactorResponse).Success {
			return http.StatusOK
		}
		return http.StatusConflict
	}
	m["/v1/cluster/replication-factor"] = factor
	leave := on(func(s *wire.Service, _ context.Context, _ *pb.ClusterLeaveRequest) *pb.ClusterLeaveResponse {
		return s.Leave()
	},
		"left drained outcome! membershipVersion retryable reason")
	leave.status = func(proto.Message) int { return http.StatusConflict } // of the one outcome that there is
	m["/v1/cluster/leave"] = leave
	m["/v1/ranges"] = get(on(func(s *wire.Service, _ context.Context, r *pb.GetRangesRequest) *pb.GetRangesResponse {
		return s.Ranges(r)
	},
		"initialized localEndpoint keySpaces(keySpace routingMode descriptors(startKey endKey partitionId generation))"))
	ranges := func(e *endpoint) *endpoint {
		e.status = func(a proto.Message) int {
			switch a.(interface{ GetStatus() string }).GetStatus() {
			case "InvalidInput":
				return http.StatusBadRequest
			}
			return http.StatusConflict // none succeeds
		}
		return e
	}
	m["/v1/ranges/register"] = ranges(on(func(s *wire.Service, _ context.Context, r *pb.RegisterKeyRangeRequest) *pb.RegisterKeyRangeResponse {
		return s.RegisterRange(r)
	}, "success status seeded routingMode descriptorCount reason"))
	m["/v1/ranges/unregister"] = ranges(on(func(s *wire.Service, _ context.Context, r *pb.RemoveKeyRangeRequest) *pb.RemoveKeyRangeResponse {
		return s.RemoveRange(r)
	}, "success status routingMode descriptorCount reason"))
	m["/v1/ranges/split"] = ranges(on(func(s *wire.Service, _ context.Context, r *pb.SplitRangeRequest) *pb.SplitRangeResponse {
		return s.Split(r)
	},
		"success status determinate newPartitionId newGeneration leaderHint reason"))
	m["/v1/ranges/merge"] = ranges(on(func(s *wire.Service, _ context.Context, _ *pb.MergeRangesRequest) *pb.MergeRangesResponse {
		return s.Merge()
	},
		"success status determinate merges leaderHint reason"))
}

// kindText is a kind of value as a script names it.
func kindText(k pb.ValueKind) string { return kahuna.Kind(k).String() }
