package main

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"kahuna"
	"kahuna/internal/restwire"
	"kahuna/internal/wirepb"
)

// grpcSubject is a server that is asked over gRPC, by unary calls.
type grpcSubject struct {
	conn *grpc.ClientConn
	kv   wirepb.KeyValuerClient
}

func openGRPC(ctx context.Context, addr string) (subject, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	t := &grpcSubject{conn, wirepb.NewKeyValuerClient(conn)}
	if _, err := t.run(ctx, "return 1", nil); err != nil {
		return nil, errors.Join(fmt.Errorf("no server answers at grpc://%s: %w; kahuna-server starts one", addr, err), conn.Close())
	}
	return t, nil
}

func (t *grpcSubject) Close() error { return t.conn.Close() }

func (t *grpcSubject) Compile(source string) (kahuna.Program, error) {
	return &grpcProgram{remoteProgram{source: source}, t}, nil
}

type grpcProgram struct {
	remoteProgram
	t *grpcSubject
}

func (p *grpcProgram) Run(ctx context.Context, params kahuna.Params, _ *kahuna.RunOptions) (*kahuna.Result, error) {
	return p.t.run(ctx, p.source, params)
}

func (t *grpcSubject) run(ctx context.Context, source string, params kahuna.Params) (*kahuna.Result, error) {
	run, err := restwire.RunOf(source, params, nil)
	if err != nil {
		return nil, err
	}
	req := &wirepb.TryExecuteTransactionScriptRequest{Script: []byte(source)}
	for name, raw := range run.Params {
		text := string(raw)
		req.Parameters = append(req.Parameters, &wirepb.KeyValueParameter{Key: "@" + name, Json: &text})
	}
	res, err := t.kv.TryExecuteTransactionScript(ctx, req)
	if err != nil {
		return nil, err
	}
	if typ := kahuna.Type(res.GetType()); !typ.Success() {
		return nil, fmt.Errorf("%v: %s", typ, res.GetReason())
	}
	return nil, nil
}
