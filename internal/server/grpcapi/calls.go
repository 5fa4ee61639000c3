package grpcapi

import (
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"kahuna/internal/server/wire"
	"kahuna/internal/wirepb"
)

// unary is around every unary call: it answers for a server that failed, and in
// place of an answer that is too large (Invariant GRPC-3).
func (s *Server) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (answer any, err error) {
	start := time.Now()
	name := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	select {
	case <-s.draining:
		return nil, status.Error(codes.Unavailable, "the server is ending") // it was not executed
	default:
	}
	defer func() {
		if r := recover(); r != nil {
			s.opts.Logger.Error("a call failed", "call", name, "panic", r, "stack", string(debug.Stack()))
			if answer, err = emptyAnswer(info.FullMethod); err == nil {
				wire.Broken(answer.(proto.Message))
			}
		}
		s.observed(name, start, resultOf(answer, err))
	}()
	answer, err = handler(ctx, req)
	if m, ok := answer.(proto.Message); ok && err == nil && proto.Size(m) > wire.ReplyBytes {
		empty := m.ProtoReflect().New().Interface()
		wire.TooLarge(empty, m)
		answer = empty
	}
	return answer, err
}

// stream is around every stream.
func (s *Server) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) (err error) {
	if strings.HasPrefix(info.FullMethod, "/grpc.reflection.") {
		return handler(srv, stream)
	}
	defer func() {
		if r := recover(); r != nil {
			s.opts.Logger.Error("a stream failed", "call", info.FullMethod, "panic", r, "stack", string(debug.Stack()))
			err = status.Error(codes.Unavailable, "the server failed in the middle of the stream")
		}
	}()
	return handler(srv, stream)
}

// emptyAnswer returns an empty answer of a method.
func emptyAnswer(method string) (proto.Message, error) {
	name := protoreflect.FullName(strings.ReplaceAll(strings.TrimPrefix(method, "/"), "/", "."))
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
	if err != nil {
		return nil, status.Error(codes.Internal, "the server failed in the middle of the call")
	}
	t, err := protoregistry.GlobalTypes.FindMessageByName(d.(protoreflect.MethodDescriptor).Output().FullName())
	if err != nil {
		return nil, status.Error(codes.Internal, "the server failed in the middle of the call")
	}
	return t.New().Interface(), nil
}

// resultOf is the result of a call for /metrics.
func resultOf(answer any, err error) string {
	if err != nil {
		return "unavailable"
	}
	if a, ok := answer.(interface{ GetDetail() *wirepb.Detail }); ok && a.GetDetail().GetCode() != "" {
		return a.GetDetail().GetCode()
	}
	return "ok"
}

// streamStatus is the status of a range that could not be read to its end.
func streamStatus(err error) error {
	var failed *wire.StreamError
	if !errors.As(err, &failed) {
		return err
	}
	code := codes.Internal
	switch failed.Kind {
	case wirepb.KvType_KV_TYPE_INVALID_INPUT:
		code = codes.InvalidArgument
	case wirepb.KvType_KV_TYPE_MUST_RETRY:
		code = codes.Unavailable
	case wirepb.KvType_KV_TYPE_ERRORED:
		code = codes.FailedPrecondition
	}
	return status.Error(code, failed.Error())
}
