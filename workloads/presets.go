package workloads

import (
	"fmt"
	"strings"
)

// Preset is a workload with a name.
type Preset struct {
	Name   string
	Source string // where its figures come from
	About  string // what it stands for, one paragraph
	// Params without durations: how long to run is for the profile or the plan.
	Params Params
}

const defaultWorkers = 64

// base is what the presets share; RatePerS is that of all operations together.
func base(actors, nodes int, leaseSeconds, renewSeconds, ratePerS float64, valueBytes int) Params {
	return Params{
		Actors: actors, ActorTypes: 20, Nodes: nodes,
		LeaseSeconds: leaseSeconds, RenewSeconds: renewSeconds,
		ValueBytes: valueBytes, Prefill: 1,
		Mix: DefaultMix(), Distribution: Uniform,
		Loop: Open, RatePerS: ratePerS, Workers: defaultWorkers,
	}
}

// upstream is a workload of the predecessor's benchmark: half of the actors
// hold a lease, 20 types, 5 nodes, uniform keys; what is neither renewal nor
// range is a new lease.
func upstream(actors int, leaseSeconds, renew, list, ratePerS float64) Params {
	p := base(actors, 5, leaseSeconds, 0, ratePerS, 256)
	p.Prefill = 0.5
	acquire := float64(int((1-renew-list)*100+0.5)) / 100
	p.Mix = map[string]float64{"renew": renew, "list": list, "acquire": acquire}
	return p
}

// Presets returns every preset, in the order in which lists show them.
func Presets() []Preset {
	list := append(orbitPresets(), upstreamPresets()...)
	list = append(list, fieldPresets()...)
	list = append(list, storePresets()...)
	for i := range list {
		list[i].Params.Preset = list[i].Name
	}
	return list
}

func orbitPresets() []Preset {
	const source = "orbit-rs: lease_duration 300 s renewed at half time, at most 10,000 activations a node"
	return []Preset{{
		Name: "orbit-default", Source: source,
		About: "A cluster of ordinary size: 100,000 actors on 10 nodes, each with a lease of 300 s that is renewed every 150 s, which makes 667 operations/s. " +
			"Any engine can carry the rate; what differs is the time that one operation takes and how far it strays.",
		Params: base(100_000, 10, 300, 150, 667, 256),
	}, {
		Name: "orbit-1m", Source: source,
		About: "The size that the design's success criteria name: 1 M actors on 100 nodes, 6,667 operations/s. " +
			"The store no longer fits the processor's caches, and recovery has a million leases to bring back.",
		Params: base(1_000_000, 100, 300, 150, 6667, 256),
	}, {
		Name: "orbit-10m", Source: source,
		About: "The upper end of the success criteria: 10 M actors on 1,000 nodes, 66,667 operations/s. " +
			"It asks for group commit under sync, and for memory outside the garbage collector's reach.",
		Params: base(10_000_000, 1000, 300, 150, 66_667, 256),
	}, {
		Name: "orbit-node", Source: "orbit-rs: node leases of 30 s renewed every 10 s, 405 bytes as JSON",
		About: "The other design: 1,000 nodes renew one lease each and actors need none, 100 operations/s. " +
			"Set beside orbit-1m it shows what one gains by changing the design rather than the engine.",
		Params: base(1000, 1000, 30, 10, 100, 405),
	}}
}

func upstreamPresets() []Preset {
	const source = "orbit-rs, benchmark of its persistence providers: 50% prefilled, 20 actor types, 5 nodes, uniform keys"
	return []Preset{{
		Name: "upstream-actor-lease", Source: source,
		About: "The predecessor's main workload, run honestly: 10,000 actors of which half hold a lease of 300 s, 85% renewals, 5% range queries by node, 10% new leases, 1,000 operations/s. " +
			"It is here so that its published figures have something to stand beside.",
		Params: upstream(10_000, 300, 0.85, 0.05, 1000),
	}, {
		Name: "upstream-high-throughput", Source: source,
		About: "The predecessor's stress test: 50,000 actors, leases of 60 s, 90% renewals, 2% range queries, 8% new leases, 10,000 operations/s. " +
			"Its own harness reported the rate cap as the throughput.",
		Params: upstream(50_000, 60, 0.90, 0.02, 10_000),
	}, {
		Name: "upstream-query-heavy", Source: source,
		About: "The predecessor's read-heavy mix: 5,000 actors, leases of 600 s, 70% renewals, 20% range queries by node, 10% new leases, 500 operations/s. " +
			"Range scans decide it, which its own harness never timed.",
		Params: upstream(5_000, 600, 0.70, 0.20, 500),
	}}
}

// k8sType is the type part of a Kubernetes key: with the 16 bytes of the id it
// makes 39 bytes, the length of /registry/leases/kube-node-lease/ and a short node name.
const k8sType = "kube-node-lease/v1.Node"

func fieldPresets() []Preset {
	k8s := Preset{
		Name: "k8s-node", Source: "Kubernetes: NodeLease defaults (40 s renewed every 10 s), 5,000 nodes as its documented limit; 39-byte key, 218-byte value in etcd",
		About: "What the largest supported Kubernetes cluster asks of its store: 5,000 node leases, 500 operations/s. " +
			"The keys take 39 bytes and the values 218, as etcd holds them.",
		Params: base(5000, 5000, 40, 10, 500, 218),
	}
	k8s.Params.ActorTypes = 1
	return []Preset{k8s, {
		Name: "ea-orbit", Source: "Kotlin Orbit (Electronic Arts): leases of 600 s renewed every 300 s, 231 bytes",
		About:  "The original Orbit's timing: 1 M addressable leases on 100 nodes, 3,333 operations/s, half of orbit-1m with a smaller record.",
		Params: base(1_000_000, 100, 600, 300, 3333, 231),
	}, {
		Name: "crdb-range", Source: "CockroachDB, range leases RFC of 2016: 9 s renewed after 7.2 s",
		About: "Leases renewed just before they run out: 10,000 ranges, 1,389 operations/s. " +
			"Renewals are drawn at random here, so that part of the leases does run out and is acquired anew; the outcome expired counts them.",
		Params: base(10_000, 5, 9, 7.2, 1389, 256),
	}, {
		Name: "akka-shard", Source: "Akka coordination lease: heartbeat-timeout 120 s, heartbeat-interval 12 s",
		About:  "A thousand shards, each held by a lease with wide margins: 83 operations/s. Nothing can be batched at this rate, so it shows the bare price of one commit.",
		Params: base(1000, 10, 120, 12, 83, 256),
	}, {
		Name: "etcd-storm", Source: "etcd issue 11886: 40,000 leases of 20 s",
		About:  "The keepalive load that brought a production etcd down: 40,000 short leases with tiny values, 6,000 operations/s.",
		Params: base(40_000, 40, 20, 6.7, 6000, 64),
	}, {
		Name: "lsm-100k", Source: "the LSM design's success criterion: more than 100,000 lease updates per second",
		About:  "The claimed write rate of the LSM design, offered in an open loop to 1 M leases. An engine that cannot keep up shows it as latency and as a missed rate.",
		Params: base(1_000_000, 100, 300, 0, 100_000, 256),
	}}
}

// storeRate is one that an engine holds under sync which commits alone.
const storeRate = 1000

// storePresets are loads of the stores beside the leases, one named like each
// store.
func storePresets() []Preset {
	nodes := base(1000, 1000, 30, 10, 100, 405)
	nodes.Store = StoreNodes
	nodes.Mix = map[string]float64{"renew": 0.85, "get": 0.10, "list": 0.01, "update": 0.02, "store": 0.01, "remove": 0.01}
	k8s := nodes
	k8s.Actors, k8s.Nodes, k8s.LeaseSeconds, k8s.RenewSeconds, k8s.RatePerS = 5000, 5000, 40, 10, 500
	queries := base(20_000, 1, 5, 0, storeRate, 1024)
	queries.Store, queries.Prefill = StoreQueryCache, 0.5
	queries.Distribution, queries.ZipfS = Zipf, DefaultZipfS
	queries.Mix = map[string]float64{"get": 0.95, "put": 0.05}
	series := base(1000, 1, 1, 0, storeRate, 128)
	series.Store = StoreTimeSeries
	series.Mix = map[string]float64{"append": 0.95, "range": 0.05}
	return []Preset{{
		Name: "nodes", Source: "orbit-rs: node leases of 30 s renewed every 10 s, 405 bytes as JSON",
		About: "The store of cluster members: 1,000 nodes renew the lease that keeps them in the cluster, are read and listed, drain, join and leave; 100 operations/s. " +
			"A list reads every node and keeps those that are active.",
		Params: nodes,
	}, {
		Name: "nodes-k8s", Source: "Kubernetes: 5,000 nodes as its documented limit, node leases of 40 s renewed every 10 s",
		About:  "The same with as many members as the largest supported Kubernetes cluster has, 500 operations/s.",
		Params: k8s,
	}, {
		Name: "querycache", Source: "the design note's query cache: query hash, result, time to live; popularity by Zipf's law, exponent 0.99, as YCSB has it",
		About: "The store of query results: 20,000 queries of Zipf popularity with results of 1 KiB that live for 5 s, half of them cached at the start. " +
			"A look-up that finds none, or one that has run out, is followed by storing the result anew. An engine that evicts by itself says so; what is gone for that reason is counted as evicted.",
		Params: queries,
	}, {
		Name: "timeseries", Source: "the design note's time series: metric, timestamp in ns, value, labels",
		About: "The append-only store: 1,000 series are appended to in the order of time, and the last 100 points of one are read; 1,000 operations/s. " +
			"Each series has 200 points at the start.",
		Params: series,
	}}
}

// LookupPreset returns the preset of that name, or an error that lists the names.
func LookupPreset(name string) (Preset, error) {
	var names []string
	for _, p := range Presets() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Preset{}, fmt.Errorf("unknown preset %q, want one of %s", name, strings.Join(names, ", "))
}
