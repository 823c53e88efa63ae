"""Apache Artemis: one process with an MQTT and an AMQP listener and a journal on disk."""

from __future__ import annotations

from string import Template
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from datamill_infra.drivers.embedded.program import EmbeddedContext, Program

ROLE = "users"
# The acceptors name this JAAS entry as their security domain.
LOGIN = """\
datamill {{
  org.apache.activemq.artemis.spi.core.security.jaas.PropertiesLoginModule required
    reload=false
    baseDir="{directory}"
    org.apache.activemq.jaas.properties.user="users.properties"
    org.apache.activemq.jaas.properties.role="roles.properties";
}};
"""
BROKER = """\
<?xml version="1.0" encoding="UTF-8"?>
<configuration xmlns="urn:activemq">
  <core xmlns="urn:activemq:core">
    <name>datamill</name>
    <persistence-enabled>true</persistence-enabled>
    <journal-type>NIO</journal-type>
    <journal-directory>${data}/journal</journal-directory>
    <bindings-directory>${data}/bindings</bindings-directory>
    <large-messages-directory>${data}/large-messages</large-messages-directory>
    <paging-directory>${data}/paging</paging-directory>
    <node-manager-lock-directory>${data}/journal</node-manager-lock-directory>
    <!-- An acknowledgement follows the fsync. Small files: the first start would write 20 MB of zeros. -->
    <journal-datasync>true</journal-datasync>
    <journal-file-size>1048576</journal-file-size>
    <journal-pool-files>10</journal-pool-files>
    <min-disk-free>${min_disk_free}</min-disk-free>
    <jmx-management-enabled>false</jmx-management-enabled>
    <acceptors>
      <acceptor name="mqtt">tcp://127.0.0.1:${mqtt}?protocols=MQTT;securityDomain=datamill;useEpoll=false;useKQueue=false</acceptor>
      <acceptor name="amqp">tcp://127.0.0.1:${amqp}?protocols=AMQP;securityDomain=datamill;saslMechanisms=PLAIN;useEpoll=false;useKQueue=false</acceptor>
    </acceptors>
    <security-settings>
      <security-setting match="#">
        <permission type="createAddress" roles="users"/>
        <permission type="deleteAddress" roles="users"/>
        <permission type="createDurableQueue" roles="users"/>
        <permission type="deleteDurableQueue" roles="users"/>
        <permission type="createNonDurableQueue" roles="users"/>
        <permission type="deleteNonDurableQueue" roles="users"/>
        <permission type="send" roles="users"/>
        <permission type="consume" roles="users"/>
        <permission type="browse" roles="users"/>
      </security-setting>
    </security-settings>
    <address-settings>
      <address-setting match="#">
        <!-- The default drops a message at its tenth delivery: a consumer killed ten times would lose it. -->
        <max-delivery-attempts>-1</max-delivery-attempts>
        <!-- AMQP names a queue unless it asks for a topic. By default it would name a topic, and what is sent while
             nobody listens would be accepted and dropped. MQTT asks for topics itself. -->
        <default-address-routing-type>ANYCAST</default-address-routing-type>
        <default-queue-routing-type>ANYCAST</default-queue-routing-type>
        <address-full-policy>PAGE</address-full-policy>
      </address-setting>
    </address-settings>
  </core>
</configuration>
"""


def programs(context: EmbeddedContext) -> list[Program]:
    """The broker; its user's password is in a file that only the owner can read."""
    directory = context.paths.config / "etc"
    user = str(context.values["username"])
    return [
        context.java_program(
            "org.apache.activemq.artemis.core.server.embedded.Main",
            str(context.paths.config),
            heap=str(context.values["heap"]),
            options=(
                # Two thirds of the processor time at the start; the broker is bound by fsync, not by code.
                "-XX:TieredStopAtLevel=1",
                f"-Djava.security.auth.login.config={directory / 'login.config'}",
                # Netty 4.1 still uses it; without this Java 25 prints a warning of four lines.
                "--sun-misc-unsafe-memory-access=allow",
                "-Dorg.slf4j.simpleLogger.showDateTime=true",
                "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
                # One record per probe and connection otherwise.
                "-Dorg.slf4j.simpleLogger.log.org.apache.activemq.audit=off",
            ),
            files={
                "etc/broker.xml": broker_xml(context),
                "etc/login.config": LOGIN.format(directory=str(directory).replace("\\", "\\\\").replace('"', '\\"')),
                "etc/users.properties": f"{user}={context.secrets['password']}\n",
                "etc/roles.properties": f"{ROLE}={user}\n",
            },
        )
    ]


def broker_xml(context: EmbeddedContext) -> str:
    """The broker's configuration with ports and directories filled in."""
    return Template(BROKER).substitute(
        data=escape(str(context.paths.data)),
        mqtt=context.ports["mqtt"],
        amqp=context.ports["amqp"],
        min_disk_free=escape(str(context.values["min_disk_free"])),
    )
