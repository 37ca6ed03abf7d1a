"""The networks of the tests of the deploy form."""

import pytest
from deploy_helpers import NETWORKS


@pytest.fixture(params=NETWORKS)
def network(request):
    return request.param
