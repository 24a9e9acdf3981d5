package server

import (
	natsd "github.com/nats-io/nats-server/v2/server"
	"github.com/prometheus/client_golang/prometheus"
)

// Collector returns the server's statistics for Prometheus, which nats-server
// itself does not speak. It reports core_bus_up 0 and nothing else while the
// server does not run.
func (s *Server) Collector() prometheus.Collector { return &collector{s} }

type collector struct{ s *Server }

type metric struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
}

func gauge(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("core_bus_"+name, help, labels, nil), prometheus.GaugeValue}
}

func counter(name, help string, labels ...string) metric {
	return metric{prometheus.NewDesc("core_bus_"+name, help, labels, nil), prometheus.CounterValue}
}

var (
	up               = gauge("up", "Whether the bus runs and is healthy.")
	connections      = gauge("connections", "Clients connected.")
	connectionsTotal = counter("connections_total", "Clients that ever connected.")
	refusedTotal     = counter("refused_total", "Clients turned away.")
	subscriptions    = gauge("subscriptions", "Subscriptions held.")
	slowConsumers    = counter("slow_consumers_total", "Clients disconnected because they read too slowly.")
	staleConnections = counter("stale_connections_total", "Clients disconnected because they did not answer.")
	messagesIn       = counter("messages_in_total", "Messages received from clients.")
	messagesOut      = counter("messages_out_total", "Messages sent to clients.")
	bytesIn          = counter("bytes_in_total", "Bytes received from clients.")
	bytesOut         = counter("bytes_out_total", "Bytes sent to clients.")
	memoryBytes      = gauge("jetstream_memory_bytes", "Bytes of streams in memory.")
	diskBytes        = gauge("jetstream_disk_bytes", "Bytes of streams on disk.")
	apiTotal         = counter("jetstream_api_total", "Requests of JetStream's API.")
	apiErrors        = counter("jetstream_api_errors_total", "Requests of JetStream's API that failed.")

	streamMessages  = gauge("stream_messages", "Messages a stream holds.", "stream")
	streamBytes     = gauge("stream_bytes", "Bytes a stream holds.", "stream")
	streamLast      = gauge("stream_last_sequence", "A stream's last sequence.", "stream")
	streamConsumers = gauge("stream_consumers", "Consumers of a stream.", "stream")
	// Only durable consumers by name: others come and go with their readers.
	consumerPending     = gauge("consumer_pending", "Messages not yet delivered to a durable consumer.", "stream", "consumer")
	consumerAckPending  = gauge("consumer_ack_pending", "Messages delivered to a durable consumer and not acknowledged.", "stream", "consumer")
	consumerRedelivered = gauge("consumer_redelivered", "Messages that a durable consumer was given again.", "stream", "consumer")
)

func all() []metric {
	return []metric{
		up, connections, connectionsTotal, refusedTotal, subscriptions, slowConsumers, staleConnections,
		messagesIn, messagesOut, bytesIn, bytesOut, memoryBytes, diskBytes, apiTotal, apiErrors,
		streamMessages, streamBytes, streamLast, streamConsumers,
		consumerPending, consumerAckPending, consumerRedelivered,
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range all() {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	send := func(m metric, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, v, labels...)
	}
	nsd := c.s.running()
	if nsd == nil || c.s.Healthy() != nil {
		send(up, 0)
		return
	}
	send(up, 1)
	send(refusedTotal, float64(c.s.gate.latest().Count))
	if v, err := nsd.Varz(nil); err == nil {
		send(connections, float64(v.Connections))
		send(connectionsTotal, float64(v.TotalConnections))
		send(subscriptions, float64(v.Subscriptions))
		send(slowConsumers, float64(v.SlowConsumers))
		send(staleConnections, float64(v.StaleConnections))
		send(messagesIn, float64(v.InMsgs))
		send(messagesOut, float64(v.OutMsgs))
		send(bytesIn, float64(v.InBytes))
		send(bytesOut, float64(v.OutBytes))
	}
	j, err := nsd.Jsz(&natsd.JSzOptions{Account: account, Streams: true, Consumer: true, Config: true})
	if err != nil {
		return
	}
	send(memoryBytes, float64(j.Memory))
	send(diskBytes, float64(j.Store))
	send(apiTotal, float64(j.API.Total))
	send(apiErrors, float64(j.API.Errors))
	for _, a := range j.AccountDetails {
		for _, stream := range a.Streams {
			send(streamMessages, float64(stream.State.Msgs), stream.Name)
			send(streamBytes, float64(stream.State.Bytes), stream.Name)
			send(streamLast, float64(stream.State.LastSeq), stream.Name)
			send(streamConsumers, float64(stream.State.Consumers), stream.Name)
			for _, consumer := range stream.Consumer {
				if consumer.Config == nil || consumer.Config.Durable == "" {
					continue
				}
				send(consumerPending, float64(consumer.NumPending), stream.Name, consumer.Name)
				send(consumerAckPending, float64(consumer.NumAckPending), stream.Name, consumer.Name)
				send(consumerRedelivered, float64(consumer.NumRedelivered), stream.Name, consumer.Name)
			}
		}
	}
}
