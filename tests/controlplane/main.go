// controlplane: a real Kubernetes control plane in one process, for tests and the demo.
//
//	controlplane up --dir DIR [--port N] [--nodes N] [--temporary] [--audit]
//	controlplane etcd|kube-apiserver FLAGS     one part alone, with the flags of the real program
//
// `up` runs etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok (simulated nodes and pods, so that
// Deployments become Available). Everything listens on 127.0.0.1. It prints `READY KUBECONFIG` on stdout when the API
// server serves and the controllers work, and runs until SIGINT or SIGTERM. Started again with the same DIR it goes on
// with the same data on the same ports.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	_ "time/tzdata"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
)

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: controlplane up|etcd|kube-apiserver FLAGS")
		os.Exit(2)
	}
	name, args := os.Args[1], os.Args[2:]
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	switch name {
	case "up":
		check(up(ctx, args))
	case "etcd":
		check(runEtcd(ctx, args))
	case "kube-apiserver":
		check(runAPIServer(ctx, args))
	default:
		log.Fatalf("unknown subcommand %q", name)
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func up(parent context.Context, argv []string) error {
	fs := flag.NewFlagSet("up", flag.ExitOnError)
	dir := fs.String("dir", "", "state folder: pki, etcd data, kubeconfig (kept, and used again if it is there)")
	port := fs.Int("port", 0, "API server port; +1 and +2 are etcd's, +3 is kwok's (0: those of DIR, or free ones)")
	nodes := fs.Int("nodes", 1, "simulated nodes")
	temporary := fs.Bool("temporary", false, "end when standard input closes, and remove DIR")
	audit := fs.Bool("audit", false, "write every request (no bodies) to DIR/audit.log")
	fs.Parse(argv)
	if *dir == "" {
		return fmt.Errorf("--dir is needed")
	}
	abs, err := filepath.Abs(*dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	if *temporary {
		// A closed pipe is the one sign of the parent's end that also comes when it was killed with SIGKILL.
		go func() { io.Copy(io.Discard, os.Stdin); cancel() }()
		defer remove(abs)
	}
	base, err := choosePort(abs, *port)
	if err != nil {
		return err
	}
	begin := time.Now()
	ended := make(chan error, 8)
	config, err := start(ctx, abs, base, *nodes, *audit, ended)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	log.Printf("ready after %.2f s", time.Since(begin).Seconds())
	fmt.Println("READY", config)
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// remove deletes dir, in which etcd may still be writing.
func remove(dir string) {
	for range 100 {
		if os.RemoveAll(dir) == nil {
			return
		}
	}
}

// start brings every part up and answers with the administrator's kubeconfig when they work.
func start(ctx context.Context, dir string, port, nodes int, audit bool, ended chan error) (string, error) {
	p, err := preparePKI(dir, port)
	if err != nil {
		return "", err
	}
	// The parts are not told of the end: some of them end the process at once when they are.
	run := func(name string, run func(context.Context, []string) error, args []string) {
		go func() { ended <- fmt.Errorf("%s ended: %v", name, run(context.Background(), args)) }()
	}
	run("etcd", runEtcd, etcdFlags(dir, port))
	apiserver, err := apiServerFlags(dir, port, p, audit)
	if err != nil {
		return "", err
	}
	run("kube-apiserver", runAPIServer, apiserver)

	admin := filepath.Join(dir, "admin.kubeconfig")
	config, err := clientcmd.BuildConfigFromFlags("", admin)
	if err != nil {
		return "", err
	}
	config.QPS = -1
	if err := waitServing(ctx, config, ended); err != nil {
		return "", err
	}
	run("kube-controller-manager", runKCM, kcmFlags(p))
	run("kube-scheduler", runScheduler, schedulerFlags(p))
	kwok, err := kwokFlags(dir, port, p)
	if err != nil {
		return "", err
	}
	run("kwok", runKwok, kwok)
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", err
	}
	if err := makeNodes(ctx, client, nodes); err != nil {
		return "", err
	}
	return admin, waitControllers(ctx, client, ended)
}

// choosePort answers with the first of four ports in a row: those DIR used before, or free ones.
//
// Chosen below the range from which the kernel takes ports for outgoing connections, so that none of those can take
// one between this look and the listening.
func choosePort(dir string, wanted int) (int, error) {
	file := filepath.Join(dir, "port")
	if wanted == 0 {
		if text, err := os.ReadFile(file); err == nil {
			return strconv.Atoi(strings.TrimSpace(string(text)))
		}
		for range 100 {
			if candidate := 20000 + 4*rand.IntN(3000); allFree(candidate) {
				wanted = candidate
				break
			}
		}
	}
	if wanted == 0 {
		return 0, fmt.Errorf("no four free ports in a row between 20000 and 32000")
	}
	return wanted, os.WriteFile(file, fmt.Appendln(nil, wanted), 0o600)
}

func allFree(first int) bool {
	for port := first; port < first+4; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

func waitServing(ctx context.Context, config *rest.Config, ended <-chan error) error {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return err
	}
	return poll(ctx, ended, func() bool {
		resp, err := client.Get(config.Host + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		io.Copy(io.Discard, resp.Body)
		return resp.StatusCode == http.StatusOK
	})
}

// waitControllers waits for the service account that the controller manager makes in the default namespace.
func waitControllers(ctx context.Context, client *kubernetes.Clientset, ended <-chan error) error {
	return poll(ctx, ended, func() bool {
		_, err := client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil
	})
}

func poll(ctx context.Context, ended <-chan error, done func() bool) error {
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return err
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

func makeNodes(ctx context.Context, client *kubernetes.Clientset, n int) error {
	room := corev1.ResourceList{"cpu": resource.MustParse("64"), "memory": resource.MustParse("256Gi"), "pods": resource.MustParse("5000")}
	for i := range n {
		name := fmt.Sprintf("kwok-%d", i)
		_, err := client.CoreV1().Nodes().Create(ctx, &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name,
				Annotations: map[string]string{"kwok.x-k8s.io/node": "fake"},
				Labels:      map[string]string{"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}},
			Status: corev1.NodeStatus{Capacity: room, Allocatable: room},
		}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	return nil
}
