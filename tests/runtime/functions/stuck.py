"""A function that gets stuck in the way that its event says."""

import ctypes
import hashlib
import os
import socket
import threading
import time

from lambda_guard import logger, metrics, production


def sleep():
    time.sleep(30)


def read_socket():
    server = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(server.getsockname()).recv(1)


def wait_for_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def compute():
    number = 0
    while True:
        number += 1


def hash_without_the_gil():
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 100_000_000)


def hold_the_gil():
    time.sleep(1.0)
    ctypes.PyDLL(None).sleep(30)


def make_it():
    time.sleep(9.5)  # of 10 s; warned at 9
    return os.getpid()


def be_quick():
    return os.getpid()


@production(service="reports", namespace="Reports")
def handler(event, context):
    metrics.add_metric(name="Begun", unit="Count", value=1)
    logger.info("about to %s", event)
    return globals()[event]()
