package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/processor"
	"go.opentelemetry.io/collector/processor/processorhelper"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

// refusal is the configuration of a processor that refuses everything while File exists. The receiver makes an answer
// of the error, as it does of the errors of a full queue. A line of the file is "CODE SECONDS WORDS"; CODE is
// unavailable or exhausted, SECONDS is how long the sender has to wait.
type refusal struct {
	File string `mapstructure:"file"`
}

func (r *refusal) check() error {
	line, err := os.ReadFile(r.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	parts := strings.SplitN(strings.TrimSpace(string(line)), " ", 3)
	wait, err := time.ParseDuration(parts[1] + "s")
	if err != nil {
		return err
	}
	code := map[string]codes.Code{"unavailable": codes.Unavailable, "exhausted": codes.ResourceExhausted}[parts[0]]
	refused, err := status.New(code, parts[2]).WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(wait)})
	if err != nil {
		return err
	}
	return refused.Err()
}

func newRefusal() processor.Factory {
	read := processorhelper.WithCapabilities(consumer.Capabilities{})
	return processor.NewFactory(
		component.MustNewType("refusal"),
		func() component.Config { return &refusal{} },
		processor.WithTraces(func(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Traces) (processor.Traces, error) {
			return processorhelper.NewTraces(ctx, set, cfg, next, func(_ context.Context, td ptrace.Traces) (ptrace.Traces, error) {
				return td, cfg.(*refusal).check()
			}, read)
		}, component.StabilityLevelDevelopment),
		processor.WithLogs(func(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Logs) (processor.Logs, error) {
			return processorhelper.NewLogs(ctx, set, cfg, next, func(_ context.Context, ld plog.Logs) (plog.Logs, error) {
				return ld, cfg.(*refusal).check()
			}, read)
		}, component.StabilityLevelDevelopment),
		processor.WithMetrics(func(ctx context.Context, set processor.Settings, cfg component.Config, next consumer.Metrics) (processor.Metrics, error) {
			return processorhelper.NewMetrics(ctx, set, cfg, next, func(_ context.Context, md pmetric.Metrics) (pmetric.Metrics, error) {
				return md, cfg.(*refusal).check()
			}, read)
		}, component.StabilityLevelDevelopment),
	)
}
