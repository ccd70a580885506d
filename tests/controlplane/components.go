package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	cliflag "k8s.io/component-base/cli/flag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	apiserveroptions "k8s.io/kubernetes/cmd/kube-apiserver/app/options"
	kcm "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kcmoptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodeheartbeat "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
)

// Every request without its body, once, when it has been answered.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted, Panic]
rules: [{level: Metadata}]
`

func etcdFlags(dir string, port int) []string {
	client, peer := fmt.Sprintf("http://127.0.0.1:%d", port+1), fmt.Sprintf("http://127.0.0.1:%d", port+2)
	return []string{"--data-dir=" + dir + "/etcd", "--listen-client-urls=" + client, "--advertise-client-urls=" + client,
		"--listen-peer-urls=" + peer}
}

func apiServerFlags(dir string, port int, p *pki, audit bool) ([]string, error) {
	flags := []string{
		fmt.Sprintf("--etcd-servers=http://127.0.0.1:%d", port+1),
		"--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
		"--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", // an Endpoints object may not hold a loopback address
		"--tls-cert-file=" + p.file("apiserver.crt"), "--tls-private-key-file=" + p.file("apiserver.key"),
		"--client-ca-file=" + p.file("ca.crt"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + p.file("sa.pub"), "--service-account-signing-key-file=" + p.file("sa.key"),
		"--service-cluster-ip-range=10.96.0.0/16",
		"--authorization-mode=Node,RBAC", "--anonymous-auth=false",
		"--allow-privileged=true", "--profiling=false",
	}
	if !audit {
		return flags, nil
	}
	policy := filepath.Join(dir, "audit-policy.yaml")
	if err := os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return nil, err
	}
	return append(flags, "--audit-policy-file="+policy, "--audit-log-path="+filepath.Join(dir, "audit.log"), "--audit-log-mode=blocking"), nil
}

func kcmFlags(p *pki) []string {
	return []string{
		"--kubeconfig=" + p.file("kube-controller-manager.kubeconfig"),
		"--service-account-private-key-file=" + p.file("sa.key"), "--root-ca-file=" + p.file("ca.crt"),
		"--leader-elect=false",
		"--use-service-account-credentials=true", // the controller manager's own role may do next to nothing
		"--bind-address=127.0.0.1", "--secure-port=0", "--profiling=false",
	}
}

func schedulerFlags(p *pki) []string {
	return []string{"--kubeconfig=" + p.file("kube-scheduler.kubeconfig"), "--leader-elect=false",
		"--bind-address=127.0.0.1", "--secure-port=0", "--profiling=false"}
}

func kwokFlags(dir string, port int, p *pki) ([]string, error) {
	// kwok alone has no stages: only kwokctl gives it the usual ones.
	stages := strings.Join([]string{nodefast.DefaultNodeInit, nodeheartbeat.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady, podfast.DefaultPodComplete, podfast.DefaultPodDelete}, "\n---\n")
	config := filepath.Join(dir, "kwok.yaml")
	return []string{"--config=" + config, "--kubeconfig=" + p.file("kwok.kubeconfig"), "--manage-all-nodes=true",
		"--cidr=10.0.0.1/16", "--node-ip=10.0.0.1", "--node-lease-duration-seconds=40",
		fmt.Sprintf("--server-address=127.0.0.1:%d", port+3)}, os.WriteFile(config, []byte(stages), 0o600)
}

// runEtcd takes the few flags of the real program that are needed here.
func runEtcd(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("etcd", flag.ExitOnError)
	cfg := embed.NewConfig()
	fs.StringVar(&cfg.Dir, "data-dir", "", "")
	client := fs.String("listen-client-urls", "", "")
	fs.String("advertise-client-urls", "", "")
	peer := fs.String("listen-peer-urls", "", "")
	fs.BoolVar(&cfg.UnsafeNoFsync, "unsafe-no-fsync", true, "") // speed over durability
	fs.Parse(args)
	one := func(s string) []url.URL { u, err := url.Parse(s); check(err); return []url.URL{*u} }
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = one(*client), one(*client)
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = one(*peer), one(*peer)
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.LogLevel = "warn"
	etcd, err := embed.StartEtcd(cfg)
	if err != nil {
		return err
	}
	defer etcd.Close()
	select {
	case <-ctx.Done():
		return nil
	case err := <-etcd.Err():
		return err
	}
}

// parse reads a component's own flags below cobra, whose commands would each install the signal handler.
func parse(name string, sets cliflag.NamedFlagSets, args []string) error {
	fs := pflag.NewFlagSet(name, pflag.ContinueOnError)
	for _, set := range sets.FlagSets {
		fs.AddFlagSet(set)
	}
	return fs.Parse(args)
}

func runAPIServer(ctx context.Context, args []string) error {
	s := apiserveroptions.NewServerRunOptions()
	if err := parse("kube-apiserver", s.Flags(), args); err != nil {
		return err
	}
	if err := s.GenericServerRunOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return err
	}
	completed, err := s.Complete(ctx)
	if err != nil {
		return err
	}
	if errs := completed.Validate(); len(errs) > 0 {
		return errs[0]
	}
	return apiserver.Run(ctx, completed)
}

func runKCM(ctx context.Context, args []string) error {
	s, err := kcmoptions.NewKubeControllerManagerOptions()
	if err != nil {
		return err
	}
	sets := s.Flags(kcm.KnownControllers(), kcm.ControllersDisabledByDefault(), kcm.ControllerAliases())
	s.ParsedFlags = &sets
	if err := parse("kube-controller-manager", sets, args); err != nil {
		return err
	}
	c, err := s.Config(ctx, kcm.KnownControllers(), kcm.ControllersDisabledByDefault(), kcm.ControllerAliases())
	if err != nil {
		return err
	}
	return kcm.Run(ctx, c.Complete())
}

func runScheduler(ctx context.Context, args []string) error {
	o := scheduleroptions.NewOptions()
	if err := parse("kube-scheduler", *o.Flags, args); err != nil {
		return err
	}
	c, s, err := scheduler.Setup(ctx, o)
	if err != nil {
		return err
	}
	return scheduler.Run(ctx, c, s)
}

func runKwok(ctx context.Context, args []string) error {
	os.Args = append([]string{"kwok"}, args...) // kwok reads it by itself
	global := pflag.NewFlagSet("global", pflag.ContinueOnError)
	global.ParseErrorsAllowlist.UnknownFlags = true
	global.Usage = func() {}
	logctx, _ := kwoklog.InitFlags(ctx, global)
	cfgctx, err := kwokconfig.InitFlags(logctx, global)
	if err != nil {
		return err
	}
	cmd := kwok.NewCommand(cfgctx)
	cmd.Version = "" // else cobra reads component-base's global --version flag as its own and ends
	cmd.PersistentFlags().AddFlagSet(global)
	cmd.SetArgs(args)
	return cmd.ExecuteContext(cfgctx)
}
