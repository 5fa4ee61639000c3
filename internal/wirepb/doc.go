// Package wirepb is the gRPC protocol of the server: the messages and services
// of the original system's clients, with the numbers that they use. The .proto
// files explain them. Fields from number 100 on are our own.
//
// The Go code is generated and committed. To make it anew, protoc of version
// 3.21 or later must be installed.
package wirepb

//go:generate go build -o .bin/ google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
//go:generate protoc --plugin=.bin/protoc-gen-go --plugin=.bin/protoc-gen-go-grpc --proto_path=.. --go_out=.. --go_opt=paths=source_relative --go-grpc_out=.. --go-grpc_opt=paths=source_relative wirepb/values.proto wirepb/kv.proto wirepb/locks.proto wirepb/sequences.proto wirepb/cluster.proto wirepb/services.proto
//go:generate rm -r .bin
